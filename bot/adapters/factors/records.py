"""The records of second factors in the store.

- One record a version: `factors/<team>.<person>/<version>.json`, never changed and never removed; the highest version
  counts. Writing the next one needs its key to be free, so of two writers exactly one wins.
- The seed is encrypted with AES-256-GCM under the MASTER_KEY, with a nonce of its own for each record. Everything else
  in the record is authenticated with it: a record cannot be moved to another person, unlocked or made younger.
- Where the encryption key is rotated, the key in use encrypts; those that wait or were in use before, and the
  MASTER_KEY, still open what they encrypted. `reseal` encrypts every record that counts with the key in use.
- Recovery codes are kept as HMAC-SHA-256 under a key made of the MASTER_KEY, bound to the person: a code has 80 bits,
  so nobody guesses it, and without the key nobody can even try (docs/adr/0021-enrolment.md).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from handlers.core.ports import ArtifactStore, Factor
from handlers.core.words.answers import PersonId
from handlers.core.words.digests import Json, canonical
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.text import Code, Text

PURPOSE = "negahban/factor/1"
PURPOSE_2 = "negahban/factor/2"
RECOVERY = b"negahban/recovery/1"
KEY_BYTES = 32
NONCE_BYTES = 12
ROUNDS = 16
Ring = Callable[[], tuple[bytes, ...]]
"""Keys of 32 bytes. May raise OutsideError."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_VERSION = re.compile(r"([0-9]{6,})\.json")


@dataclass(frozen=True, slots=True)
class Kept:
    """A record: the factor, its seed as nobody can read it, the recovery codes that are left (as they are kept), and
    which enrolment it came by."""

    factor: Factor
    nonce: bytes
    seed: bytes
    recovery: tuple[str, ...] = ()
    origin: str = ""
    form: int = 2


class Records:
    """Reads and writes them. All raise OutsideError when the store cannot be reached."""

    def __init__(self, store: ArtifactStore, key: bytes, ring: Ring = tuple) -> None:
        """`key`: the 32 bytes of MASTER_KEY. `ring`: keys that are rotated; the first encrypts. Raises Refusal when
        they are not 32."""
        if len(key) != KEY_BYTES:
            raise Refusal(Text("MASTER_KEY must be 32 bytes, as `openssl rand -base64 32` makes them."))
        self.store = store
        self._master, self._ring = key, ring
        self._recovery = hmac.digest(key, RECOVERY, hashlib.sha256)

    def latest(self, person: PersonId, team: str) -> Kept | None:
        """The record that counts, with its seed proved readable; None: there is none. Raises Damage."""
        version = self.version(person, team)
        if version == 0:
            return None
        kept = self.read(person, team, version)
        self.seed(kept, team)
        return kept

    def version(self, person: PersonId, team: str) -> int:
        """The highest version; 0 when there is none."""
        prefix = f"{folder(person, team)}/"
        names = (artifact.key.removeprefix(prefix) for artifact in self.store.list(prefix))
        return max((int(match[1]) for name in names if (match := _VERSION.fullmatch(name))), default=0)

    def read(self, person: PersonId, team: str, version: int) -> Kept:
        """One version. Raises Damage for what is not a record."""
        stored = self.store.get(_key(person, team, version))
        if stored is None:
            raise Damage(Text("The record of {person}'s second factor has gone from the store.", person=Code(person)))
        try:
            data: Any = json.loads(stored)
            recovery = tuple(data.get("recovery", ()))
            factor = Factor(
                person,
                floor_step=data["floor_step"],
                used=data["used"],
                locked=data["locked"],
                version=version,
                cooling_until=data.get("cooling_until", 0),
                failures=data.get("failures", 0),
                codes_left=len(recovery),
            )
            nonce, seed = base64.b64decode(data["nonce"], validate=True), base64.b64decode(data["seed"])
            return Kept(factor, nonce, seed, recovery, str(data.get("origin", "")), data["v"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise unreadable(person) from error

    def seed(self, kept: Kept, team: str) -> str:
        """The seed. Raises Damage when the record is not what was stored under this key."""
        try:
            return self.opened(kept.nonce, kept.seed, _bound(kept, team))
        except (InvalidTag, ValueError, TypeError) as error:
            raise unreadable(kept.factor.person) from error

    def put(self, factor: Factor, team: str, seed: str, recovery: tuple[str, ...] = (), origin: str = "") -> bool:
        """Stores the factor as its version; False when somebody else was first."""
        return self._put(self._keys()[0], factor, team, seed, Kept(factor, b"", b"", recovery, origin))

    def _put(self, key: bytes, factor: Factor, team: str, seed: str, like: Kept) -> bool:
        recovery, origin = like.recovery, like.origin
        kept = Kept(factor, os.urandom(NONCE_BYTES), b"", recovery, origin)
        nonce, sealed = kept.nonce, AESGCM(key).encrypt(kept.nonce, seed.encode(), _bound(kept, team))
        data: dict[str, Json] = {
            "v": 2,
            "floor_step": factor.floor_step,
            "used": factor.used,
            "locked": factor.locked,
            "cooling_until": factor.cooling_until,
            "failures": factor.failures,
            "recovery": list(recovery),
            "origin": origin,
            "nonce": base64.b64encode(nonce).decode(),
            "seed": base64.b64encode(sealed).decode(),
        }
        return self.store.put_new(_key(factor.person, team, factor.version), canonical(data))

    def sealed(self, seed: str, bound: bytes) -> tuple[bytes, bytes]:
        """A nonce and the seed encrypted under it, with what the encryption vouches for besides."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce, AESGCM(self._keys()[0]).encrypt(nonce, seed.encode(), bound)

    def opened(self, nonce: bytes, sealed: bytes, bound: bytes) -> str:
        """The other way. Raises InvalidTag or ValueError."""
        for key in self._keys():
            with contextlib.suppress(InvalidTag):
                return AESGCM(key).decrypt(nonce, sealed, bound).decode()
        raise InvalidTag

    def examine(self) -> None:
        """Raises Damage for a record that counts and that no key opens."""
        for person, team in self._people():
            self.latest(person, team)

    def reseal(self, key: bytes, beat: Iterable[None] = ()) -> None:
        """Every record that counts is encrypted with this key from now on; those that are so already stay. May be
        repeated. Raises Damage for one that no key opens: nothing is left out silently. What `beat` raises goes
        through."""
        waiting = iter(beat)
        for person, team in self._people():
            next(waiting, None)
            for _ in range(ROUNDS):
                kept = self.read(person, team, self.version(person, team))
                seed = self.seed(kept, team)
                if _opens(key, kept, team):
                    break
                self._put(key, replace(kept.factor, version=kept.factor.version + 1), team, seed, kept)
            else:
                raise OutsideError(Text("The second factor of {person} changes all the time.", person=Code(person)))

    def _people(self) -> list[tuple[PersonId, str]]:
        """Whoever has a record, and their team."""
        folders = {each.key.split("/")[1] for each in self.store.list("factors/")}
        named = sorted(folder.partition(".") for folder in folders)
        return [(PersonId(person), team) for team, _, person in named]

    def _keys(self) -> tuple[bytes, ...]:
        return (*self._ring(), self._master)

    def recovery(self, person: PersonId, team: str, code: str) -> str:
        """A recovery code as it is kept."""
        bound = canonical({"team": team, "person": person, "code": code})
        return hmac.digest(self._recovery, bound, hashlib.sha256).hex()


def _opens(key: bytes, kept: Kept, team: str) -> bool:
    try:
        AESGCM(key).decrypt(kept.nonce, kept.seed, _bound(kept, team))
    except InvalidTag:
        return False
    return True


def _bound(kept: Kept, team: str) -> bytes:
    """What the encryption vouches for besides the seed."""
    factor = kept.factor
    bound: dict[str, Json] = {
        "purpose": PURPOSE,
        "team": team,
        "person": factor.person,
        "version": factor.version,
        "floor_step": factor.floor_step,
        "used": factor.used,
        "locked": factor.locked,
    }
    if kept.form == 1:
        return canonical(bound)
    return canonical(
        {
            **bound,
            "purpose": PURPOSE_2,
            "cooling_until": factor.cooling_until,
            "failures": factor.failures,
            "recovery": list(kept.recovery),
            "origin": kept.origin,
        }
    )


def folder(person: PersonId, team: str, room: str = "factors") -> str:
    """Where a person's records are. Raises Refusal for what is not an id."""
    # Without dots in either, `<team>.<person>` reads in one way only.
    if _ID.fullmatch(person) is None or _ID.fullmatch(team) is None:
        raise Refusal(Text("{person} is not an id of a person. One looks like U0123456789.", person=Code(person)))
    return f"{room}/{team}.{person}"


def _key(person: PersonId, team: str, version: int) -> str:
    return f"{folder(person, team)}/{version:06d}.json"


def unreadable(person: PersonId) -> Damage:
    """What is said of a record that is not what was stored."""
    return Damage(
        Text(
            "The record of {person}'s second factor cannot be decrypted: MASTER_KEY is not the one it was made with, "
            "or the record was changed. Put the earlier MASTER_KEY back, or enrol the person anew on the bot's host.",
            person=Code(person),
        )
    )
