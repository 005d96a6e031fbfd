"""mongodump and mongorestore, as child processes between pipes.

- Each has a process group of its own, which is ended and reaped whatever happens; each gets PATH and nothing else.
- A byte must pass every 60 s: a tool that lost its server can hang for minutes without saying so.
- What they say is kept to its last lines, without the password, and judged by nobody here.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from typing import IO

from bot.adapters.mongo.archive import ArchiveError, ArchiveWalker
from bot.adapters.mongo.canonical import definition
from bot.adapters.mongo.connection import Connection, config_pipe
from bot.adapters.mongo.packing import Packer, unpacked
from bot.adapters.mongo.sealing import Keys
from handlers.core.formats.manifests import CollectionSpec, DumpEvidence
from handlers.core.ports import LoadEvidence
from handlers.core.words.errors import Damage, OutsideError
from handlers.core.words.text import Code, Seconds, Text

PIECE_BYTES = 1024 * 1024
PIPE_BYTES = 1024 * 1024
TERM_SECONDS = 10.0
TAIL_LINES = 12
LINE_BYTES = 4096
_DONE = re.compile(r"done dumping (?:`(?P<quoted>.+)`|(?P<name>.+)) \((?P<count>\d+) documents?\)$")
_RESTORED = re.compile(r"(?P<restored>\d+) document\(s\) restored successfully\. (?P<failed>\d+) document\(s\) failed")


class Listener:
    """Reads what a tool says until it ends: the last lines, and what the caller looks for."""

    def __init__(self, stream: IO[bytes], pattern: re.Pattern[str], connection: Connection) -> None:
        self.found: list[re.Match[str]] = []
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._pattern = pattern
        self._connection = connection
        self._thread = threading.Thread(target=self._listen, args=(stream,), daemon=True)
        self._thread.start()

    def _listen(self, stream: IO[bytes]) -> None:
        with stream:
            for raw in iter(lambda: stream.readline(LINE_BYTES), b""):
                line = raw.decode(errors="replace").rstrip("\r\n")
                match = self._pattern.search(line)
                if match is not None:
                    self.found.append(match)
                if line.strip():
                    self._tail.append(line)

    def last_lines(self) -> str:
        """What it said last. Waits a moment for the end of the stream."""
        self._thread.join(5)
        return self._connection.scrubbed("\n".join(self._tail))


@contextmanager
def tool(
    name: str, arguments: Sequence[str], connection: Connection, path: str, *, feeding: bool
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a tool between pipes (`feeding`: into it, else out of it); it is gone afterwards. Raises OutsideError."""
    uri = connection.for_tools(database=not feeding)
    with config_pipe(uri) as (config, descriptor):
        try:
            process = subprocess.Popen(
                [name, f"--config={config}", *arguments],
                stdin=subprocess.PIPE if feeding else subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if feeding else subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={"PATH": path, "HOME": "/nonexistent", "LANG": "C.UTF-8"},
                pass_fds=(descriptor,),
                start_new_session=True,
                executable=_found(name, path),
                bufsize=0,
            )
        except OSError as error:
            raise OutsideError(
                Text("{name} cannot be started: {why}.", name=Code(name), why=error.strerror or ""), permanent=True
            ) from error
        try:
            yield process
        finally:
            _end(process)


def _found(name: str, path: str) -> str:
    for folder in path.split(os.pathsep):
        candidate = os.path.join(folder, name)  # noqa: PTH118 a search along PATH, as execvp does it
        if folder and os.access(candidate, os.X_OK):
            return candidate
    raise OutsideError(
        Text("{name} is not on PATH. Install MongoDB's Database Tools where the worker runs.", name=Code(name)),
        permanent=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
    # A tool that waits for its pipe does not hear SIGTERM, so the pipe goes first.
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with suppress(OSError):
                stream.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(TERM_SECONDS)
    # Also when the tool has ended: a child of it may have stayed.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class ToolDump:
    """Dump (see the port)."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        connection: Connection,
        stall_seconds: float,
        packer: Packer,
        as_made: Callable[[CollectionSpec], CollectionSpec],
    ) -> None:
        assert process.stdout is not None and process.stderr is not None  # noqa: S101, PT018 both are pipes by construction
        self._process = process
        self._connection = connection
        self._stall = stall_seconds
        self._as_made = as_made
        self._out = process.stdout.fileno()
        with suppress(OSError):
            fcntl.fcntl(self._out, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        self._listener = Listener(process.stderr, _DONE, connection)
        self._walker = ArchiveWalker()
        self._packer = packer
        # One buffer for all: a fresh MiB for each piece costs more than reading it.
        self._buffer = memoryview(bytearray(PIECE_BYTES))
        self._pieces: Iterator[bytes] = iter(())
        self._raw = 0
        self._ended = False

    @property
    def raw_bytes(self) -> int:
        """See the port."""
        return self._raw

    def read(self) -> bytes:
        """See the port."""
        while (piece := next(self._pieces, None)) is None and not self._ended:
            self._pieces = self._packed()
        return piece or b""

    def _packed(self) -> Iterator[bytes]:
        """What comes out for what mongodump writes next."""
        if not _ready(self._out, select.POLLIN, self._stall):
            raise _stalled("mongodump", self._stall)
        count = os.readv(self._out, (self._buffer,))
        self._ended = not count
        self._raw += count
        self._walker.feed(self._buffer[:count])
        return self._packer.pack(self._buffer[:count]) if count else self._packer.finish()

    def evidence(self) -> DumpEvidence:
        """See the port."""
        try:
            code = self._process.wait(self._stall)
        except subprocess.TimeoutExpired:
            raise _stalled("mongodump", self._stall) from None
        last_lines = self._listener.last_lines()
        reported = {}
        for match in self._listener.found:
            database, _, name = (match["quoted"] or match["name"]).partition(".")
            if database == self._connection.database:
                reported[name] = int(match["count"])
        return DumpEvidence(
            # It said all is well, but the stream ends inside something: then it did not end well.
            return_code=code if self._walker.at_a_boundary or code else 1,
            announced=tuple(self._as_made(spec) for spec in self._walker.announced),
            reported=reported,
            closed=frozenset(self._walker.closed),
            raw_bytes=self._raw,
            stored_bytes=self._packer.stored_bytes,
            sha256=self._packer.sha256,
            packing=self._packer.packing,
            tool=f"mongodump {self._walker.tool}",
            server=self._walker.server,
            last_lines=last_lines,
        )


def load(
    packed: Iterable[bytes],
    prefix: str,
    names: Container[str],
    *,
    connection: Connection,
    path: str,
    stall_seconds: float,
    secret: Keys,
) -> LoadEvidence:
    """Load (see the port Database)."""
    prelude, pieces = _opened(unpacked(packed, secret))
    source, target = prelude.database, connection.database
    arguments = ["--archive", "--stopOnError", "--noIndexRestore"]
    if any("validator" in definition(spec.options) for spec in prelude.announced):
        # Documents may be older than their validator. Only then: this needs the role dbAdmin.
        arguments.append("--bypassDocumentValidation")
    for spec in prelude.announced:
        if spec.name not in names:
            # With the database: `*.stats` would leave out the collection `app.stats` too. A time-series by its own
            # name: by that of its buckets it is loaded all the same.
            arguments += ["--nsExclude", f"{_literal(source)}.{_literal(spec.name)}"]
    # The last pair that matches wins: the general one first, the buckets of time-series last. A pair by a
    # time-series' own name would be ignored, and load into the live one.
    for parent in ("", "system.buckets."):
        arguments += ["--nsFrom", f"{_literal(source)}.{parent}$c$", "--nsTo", f"{target}.{parent}{prefix}$c$"]
    with tool("mongorestore", arguments, connection, path, feeding=True) as process:
        assert process.stdin is not None and process.stderr is not None  # noqa: S101, PT018 both are pipes by construction
        listener = Listener(process.stderr, _RESTORED, connection)
        _feed(pieces, process.stdin, stall_seconds)
        try:
            code = process.wait(stall_seconds * 10)
        except subprocess.TimeoutExpired:
            raise _stalled("mongorestore", stall_seconds * 10) from None
        last_lines = listener.last_lines()
        said = listener.found[-1] if listener.found else None
        restored, failed = (int(said["restored"]), int(said["failed"])) if said is not None else (0, 0)
        announced = frozenset((spec.name, spec.kind) for spec in prelude.announced)
        return LoadEvidence(code, restored, failed, last_lines, announced)


def _opened(pieces: Iterator[bytes]) -> tuple[ArchiveWalker, Iterator[bytes]]:
    """A walker that has seen the prelude, and the whole archive. Raises Damage for what is not one."""
    walker, head = ArchiveWalker(), list[bytes]()
    try:
        while walker.in_prelude:
            head.append(next(pieces))
            walker.feed(head[-1])
    except (ArchiveError, StopIteration) as error:
        raise Damage(Text("The stored backup is damaged: what it holds is not an archive.")) from error
    return walker, chain(head, pieces)


def _feed(pieces: Iterator[bytes], into: IO[bytes], stall_seconds: float) -> None:
    """Into the pipe. A pipe that was closed at the other end is not an error here: its exit code says why."""
    descriptor = into.fileno()
    with suppress(OSError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.set_blocking(descriptor, False)
    try:
        for raw in pieces:
            if not _write(descriptor, raw, stall_seconds):
                return
    finally:
        with suppress(OSError):
            into.close()


def _write(descriptor: int, raw: bytes, stall_seconds: float) -> bool:
    view = memoryview(raw)
    while view:
        if not _ready(descriptor, select.POLLOUT, stall_seconds):
            raise _stalled("mongorestore", stall_seconds)
        try:
            view = view[os.write(descriptor, view[:PIECE_BYTES]) :]
        except BlockingIOError:
            continue
        except BrokenPipeError:
            return False
    return True


def _ready(descriptor: int, event: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, event)
    return bool(poll.poll(seconds * 1000))


def _literal(name: str) -> str:
    """A name inside a pattern of mongorestore, where `*` and backslash mean something."""
    return name.replace("\\", "\\\\").replace("*", "\\*")


def _stalled(name: str, seconds: float) -> OutsideError:
    return OutsideError(Text("{name} moved no byte for {time} and was ended.", name=Code(name), time=Seconds(seconds)))
