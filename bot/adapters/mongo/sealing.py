"""Encryption for age (age-encryption.org/v1), piece by piece: `Sealer` for public keys, `opened` with secret ones.

- pyrage pulls from a reader and pushes into a writer until the end, so it runs in a thread, and the two take turns: a
  piece is given, the thread takes all of it, and the answer is what came out meanwhile. Memory is one piece and one
  chunk of age (64 KiB), whatever the length.
- The thread ends at the end of the stream, at an error, at `close`, and when whoever fed it is collected.
- A secret key is in no message, no `repr`, no argument of a process: nothing of this leaves this process.
- age has a key for each chunk's place and marks the last one: a cut, a swap and an appended byte are noticed.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Protocol

from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.text import Code, Text

HEADER = b"age-encryption.org/"
JOIN_SECONDS = 10.0
# What pyrage says when no stanza of a sound header is for these keys; a damaged stanza looks the same.
_NO_MATCH = "No matching keys found"


@dataclass(frozen=True, slots=True)
class Keys:
    """The secret keys of this host, and the recipients whose files they open."""

    identities: tuple[Any, ...] = ()
    recipients: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Keys({len(self.identities)})"


def keys(spelled: Sequence[str]) -> Keys:
    """From `AGE-SECRET-KEY-1…`. Raises Refusal for what is not one; it is not repeated."""
    if not spelled:
        return Keys()
    import pyrage  # a MiB that most bots never need

    try:
        found = tuple(pyrage.x25519.Identity.from_str(each) for each in spelled)
    except pyrage.IdentityError:
        # `from None`: a traceback with the vendor's words has no place near a secret.
        raise Refusal(
            Text("BACKUP_AGE_IDENTITY has something that is not a secret key of age (AGE-SECRET-KEY-1…).")
        ) from None
    return Keys(found, frozenset(str(each.to_public()) for each in found))


def public_keys(spelled: Sequence[str]) -> tuple[Any, ...]:
    """From `age1…`. Raises Refusal for what is not one."""
    if not spelled:
        return ()
    import pyrage

    found = []
    for each in spelled:
        try:
            found.append(pyrage.x25519.Recipient.from_str(each))
        except pyrage.RecipientError as error:
            raise Refusal(
                Text("BACKUP_AGE_RECIPIENTS: {key} is not a public key of age (age1…).", key=Code(each[:80]))
            ) from error
    return tuple(found)


class Sealer:
    """Encrypts one stream for all of the recipients. Raises Refusal for what is not a public key."""

    def __init__(self, recipients: Sequence[str]) -> None:
        import pyrage

        found = list(public_keys(recipients))
        self._turns = _Turns(lambda reader, writer: pyrage.encrypt_io(reader, writer, found))

    def seal(self, plain: bytes) -> bytes:
        """What comes out for the next piece; often nothing yet. Raises OutsideError."""
        try:
            return self._turns.give(plain)
        except _Failed as failed:
            raise _not_sealed(failed) from failed

    def finish(self) -> bytes:
        """What comes out at the end. Raises OutsideError."""
        try:
            return self._turns.end()
        except _Failed as failed:
            raise _not_sealed(failed) from failed

    def close(self) -> None:
        """Ends it wherever it is. May be called twice."""
        self._turns.close()


def opened(pieces: Iterable[bytes], secret: Keys) -> Generator[bytes]:
    """What was encrypted into the pieces. Raises Refusal when no key here opens it, Damage when it is not whole."""
    if not secret.identities:
        raise Refusal(
            Text(
                "This backup is encrypted, and this host has no key to open it. Set BACKUP_AGE_IDENTITY where the "
                "worker runs."
            )
        )
    import pyrage

    turns = _Turns(lambda reader, writer: pyrage.decrypt_io(reader, writer, list(secret.identities)))
    try:
        for piece in pieces:
            if plain := turns.give(piece):
                yield plain
        if plain := turns.end():
            yield plain
    except _Failed as failed:
        if str(failed) == _NO_MATCH:
            raise Refusal(
                Text(
                    "No key of this host opens this backup: it was encrypted for others, or its first bytes are "
                    "damaged. `/backup verify` compares them with the checksum."
                )
            ) from failed
        raise Damage(Text("The stored backup is damaged: it cannot be decrypted to its end.")) from failed
    finally:
        turns.close()


def _not_sealed(failed: _Failed) -> OutsideError:
    return OutsideError(Text("The backup could not be encrypted: {why}. No backup was kept.", why=str(failed)))


class _Failed(Exception):
    """The conversion ended without taking all that was given."""


class _Reader(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...


class _Writer(Protocol):
    def write(self, data: bytes, /) -> int: ...

    def flush(self) -> None: ...


class _Turns:
    """A conversion in a thread, fed by turns."""

    def __init__(self, convert: Callable[[_Reader, _Writer], None]) -> None:
        self._ends = _Ends()
        self._thread = threading.Thread(target=self._ends.run, args=(convert,), name="age", daemon=True)
        self._begun = self._over = False
        # Neither the thread nor what ends it may know this object, or it could not be collected.
        self._finalizer = weakref.finalize(self, _end, self._ends.inbox, self._thread)

    def give(self, piece: bytes) -> bytes:
        """Raises _Failed."""
        return self._turn(piece) if piece else b""

    def end(self) -> bytes:
        """Raises _Failed."""
        out = self._turn(b"")
        self.close()
        return out

    def close(self) -> None:
        self._over = True
        self._finalizer()

    def _turn(self, piece: bytes) -> bytes:
        if not self._begun:
            self._begun = True
            self._thread.start()
        if not self._over:
            self._ends.inbox.put(piece)
            out, self._over = self._ends.outbox.get()
            if not self._over or (self._ends.whole and not piece):
                return out
        raise _Failed(self._ends.why)


class _Ends:
    """The thread's side: a reader and a writer for pyrage, and the two queues between."""

    def __init__(self) -> None:
        # SimpleQueue.put may be called while a collection runs in whatever thread (docs.python.org, "queue").
        self.inbox: SimpleQueue[bytes] = SimpleQueue()
        # What came out, and whether that was all.
        self.outbox: SimpleQueue[tuple[bytes, bool]] = SimpleQueue()
        self.whole = False
        self.why = "it ended early"
        self._held = memoryview(b"")
        self._asked = False
        self._ended = False
        self._out: list[bytes] = []

    def run(self, convert: Callable[[_Reader, _Writer], None]) -> None:
        import pyrage

        try:
            convert(self, self)
            self.whole = True
        except (pyrage.EncryptError, pyrage.DecryptError, OSError) as error:
            self.why = str(error)
        finally:
            self.outbox.put((self._taken(), True))

    def read(self, size: int = -1, /) -> bytes:
        if not self._held and not self._ended:
            if self._asked:
                self.outbox.put((self._taken(), False))
            self._asked = True
            self._held = memoryview(self.inbox.get())
            self._ended = not self._held
        count = len(self._held) if size < 0 else size
        piece, self._held = bytes(self._held[:count]), self._held[count:]
        return piece

    def write(self, data: bytes, /) -> int:
        self._out.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        return

    def _taken(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out


def _end(inbox: SimpleQueue[bytes], thread: threading.Thread) -> None:
    inbox.put(b"")
    # A collection may run in the thread itself.
    if thread.is_alive() and thread is not threading.current_thread():
        thread.join(JOIN_SECONDS)
