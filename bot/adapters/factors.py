"""People's second factors, kept beside the backups.

- One record a version: `factors/<team>.<person>/<version>.json`, never changed and never removed; the highest version
  counts. Writing the next one needs its key to be free, so of two writers exactly one wins.
- The seed is encrypted with AES-256-GCM under the MASTER_KEY, with a nonce of its own for each record. Everything else
  in the record is authenticated with it: a record cannot be moved to another person, unlocked or made younger.
- A factor begins with two codes that follow each other; neither they nor earlier ones are ever accepted again.
- A seed is given out once, by `begin`, and never again.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from handlers.core.answers import PersonId
from handlers.core.digests import Json, canonical
from handlers.core.errors import Damage, Refusal
from handlers.core.ports import ArtifactStore, Factor
from handlers.core.text import Code, Seconds, Text

PURPOSE = "negahban/factor/1"
STEP_SECONDS = 30
KEY_BYTES = 32
NONCE_BYTES = 12
DRIFT_STEPS = 20
"""How far off, in steps, a phone's clock may be for enrolment to say that this is what is wrong."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SEED = re.compile(r"[A-Z2-7]{32,64}")
_CODE = re.compile(r"[0-9]{6}")
_VERSION = re.compile(r"([0-9]{6,})\.json")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Codes(Protocol):
    """What makes seeds and knows their codes."""

    def new_seed(self) -> str:
        """A new random seed in base32."""

    def uri(self, seed: str, account: str) -> str:
        """The address of a seed for authenticator apps."""

    def matching_step(self, seed: str, code: str, steps: Sequence[int]) -> int | None:
        """Which of these time-steps the code belongs to, comparing all; None: to none."""


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A record: the factor, and its seed as nobody can read it."""

    factor: Factor
    nonce: bytes
    seed: bytes


class StoredFactors:
    """The Factors port, and enrolment. All raise OutsideError when the store cannot be reached."""

    def __init__(self, store: ArtifactStore, key: bytes, codes: Codes) -> None:
        """`key`: the 32 bytes of MASTER_KEY. Raises Refusal when they are not 32."""
        if len(key) != KEY_BYTES:
            raise Refusal(Text("MASTER_KEY must be 32 bytes, as `openssl rand -base64 32` makes them."))
        self._store = store
        self._cipher = AESGCM(key)
        self._codes = codes

    def get(self, person: PersonId, team: str) -> Factor | None:
        """None: not enrolled. Raises Damage when the record cannot be decrypted."""
        version = self._latest(person, team)
        if version == 0:
            return None
        sealed = self._read(person, team, version)
        self._open(sealed, team)
        return sealed.factor

    def matching_step(self, factor: Factor, team: str, code: str, moment: datetime) -> int | None:
        """The time-step among now's and the one before whose code this is; None for a wrong code. Raises Damage."""
        seed = self._open(self._read(factor.person, team, factor.version), team)
        step = _step(moment)
        return self._codes.matching_step(seed, code, (step - 1, step))

    def mark(self, factor: Factor, team: str, *, used: bool, locked: bool) -> Factor | None:
        """Stores the flags durably if the record still has that version; None when somebody else was first."""
        seed = self._open(self._read(factor.person, team, factor.version), team)
        marked = replace(factor, used=used, locked=locked, version=factor.version + 1)
        return marked if self._put(marked, team, seed) else None

    def begin(self, person: PersonId, team: str) -> tuple[str, str]:
        """A new seed and its `otpauth://` address, to be shown once; nothing is stored. Raises Refusal."""
        _folder(person, team)
        seed = self._codes.new_seed()
        return seed, self._codes.uri(seed, person)

    def enroll(
        self, person: PersonId, team: str, seed: str, first_code: str, second_code: str, moment: datetime
    ) -> Factor:
        """Stores the seed as the person's factor, in place of any earlier one, once two codes that follow each other
        are right; the second is now's or the one before. Raises Refusal: nothing was stored."""
        if _SEED.fullmatch(seed) is None:
            raise Refusal(Text("This is not a seed. Start over to get one."))
        version = self._latest(person, team) + 1
        floor = self._consecutive(seed, _tidied(first_code), _tidied(second_code), _step(moment))
        factor = Factor(person, floor_step=floor, used=False, locked=False, version=version)
        if not self._put(factor, team, seed):
            raise Refusal(Text("{person} was enrolled by somebody else just now. Start over.", person=Code(person)))
        return factor

    def _consecutive(self, seed: str, first: str, second: str, now: int) -> int:
        """The step of the second code. Raises Refusal that says what is wrong with the codes."""
        if first == second:
            raise Refusal(Text("This is the same code twice. Wait until the app shows the next one, and type that."))
        for step in (now, now - 1):
            if self._follows(seed, first, second, step):
                return step
        for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
            if self._follows(seed, first, second, step):
                raise Refusal(
                    Text(
                        "The codes are right for another time: the clocks of the phone and of this host are about "
                        "{drift} apart. Set both to automatic time, and start over.",
                        drift=Seconds(abs(step - now) * STEP_SECONDS),
                    )
                )
        if self._codes.matching_step(seed, first, range(now - DRIFT_STEPS, now + 1)) is not None:
            raise Refusal(
                Text("The second code is not the one that follows the first. Type two codes in a row, without a gap.")
            )
        raise Refusal(Text("The codes are not right. Scan the QR code again, and remove older entries from the app."))

    def _follows(self, seed: str, first: str, second: str, step: int) -> bool:
        second_fits = self._codes.matching_step(seed, second, (step,)) is not None
        first_fits = self._codes.matching_step(seed, first, (step - 1,)) is not None
        return first_fits and second_fits

    def _latest(self, person: PersonId, team: str) -> int:
        """The highest version; 0 when there is none."""
        folder = f"{_folder(person, team)}/"
        names = (artifact.key.removeprefix(folder) for artifact in self._store.list(folder))
        return max((int(match[1]) for name in names if (match := _VERSION.fullmatch(name))), default=0)

    def _read(self, person: PersonId, team: str, version: int) -> _Sealed:
        stored = self._store.get(_key(person, team, version))
        if stored is None:
            raise Damage(Text("The record of {person}'s second factor has gone from the store.", person=Code(person)))
        try:
            data: Any = json.loads(stored)
            factor = Factor(
                person,
                floor_step=data["floor_step"],
                used=data["used"],
                locked=data["locked"],
                version=version,
            )
            return _Sealed(factor, base64.b64decode(data["nonce"], validate=True), base64.b64decode(data["seed"]))
        except (ValueError, KeyError, TypeError) as error:
            raise _unreadable(person) from error

    def _open(self, sealed: _Sealed, team: str) -> str:
        """The seed. Raises Damage when the record is not what was stored under this key."""
        try:
            return self._cipher.decrypt(sealed.nonce, sealed.seed, _bound(sealed.factor, team)).decode()
        except (InvalidTag, ValueError, TypeError) as error:
            raise _unreadable(sealed.factor.person) from error

    def _put(self, factor: Factor, team: str, seed: str) -> bool:
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, seed.encode(), _bound(factor, team))
        data: dict[str, Json] = {
            "v": 1,
            "floor_step": factor.floor_step,
            "used": factor.used,
            "locked": factor.locked,
            "nonce": base64.b64encode(nonce).decode(),
            "seed": base64.b64encode(sealed).decode(),
        }
        return self._store.put_new(_key(factor.person, team, factor.version), canonical(data))


def _bound(factor: Factor, team: str) -> bytes:
    """What the encryption vouches for besides the seed."""
    return canonical(
        {
            "purpose": PURPOSE,
            "team": team,
            "person": factor.person,
            "version": factor.version,
            "floor_step": factor.floor_step,
            "used": factor.used,
            "locked": factor.locked,
        }
    )


def _folder(person: PersonId, team: str) -> str:
    # Without dots in either, `<team>.<person>` reads in one way only.
    if _ID.fullmatch(person) is None or _ID.fullmatch(team) is None:
        raise Refusal(Text("{person} is not an id of a person. One looks like U0123456789.", person=Code(person)))
    return f"factors/{team}.{person}"


def _key(person: PersonId, team: str, version: int) -> str:
    return f"{_folder(person, team)}/{version:06d}.json"


def _step(moment: datetime) -> int:
    """Whole time-steps since 1970, without floats."""
    return (moment - _EPOCH) // timedelta(seconds=STEP_SECONDS)


def _tidied(code: str) -> str:
    """A code without the spaces and hyphens that people type. Raises Refusal for what is not six digits."""
    digits = code.replace(" ", "").replace("-", "")
    if _CODE.fullmatch(digits) is None:
        raise Refusal(Text("A code is six digits, like 123 456."))
    return digits


def _unreadable(person: PersonId) -> Damage:
    return Damage(
        Text(
            "The record of {person}'s second factor cannot be decrypted: MASTER_KEY is not the one it was made with, "
            "or the record was changed. Put the earlier MASTER_KEY back, or enrol the person anew on the bot's host.",
            person=Code(person),
        )
    )
