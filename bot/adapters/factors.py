"""People's second factors: encrypted records beside the backups.

- A record is a new version each time, stored by "put if the key is free": the highest version counts, and two who
  change at once cannot both win. Nothing is overwritten, so nothing is lost half-written.
- The seed is AES-256-GCM under MASTER_KEY with a random nonce; who and what it is for is bound to it as associated
  data, so that one person's record cannot be put in another's place (NIST SP 800-38D).
- The database that gets restored holds none of this: a restore can neither lock people out nor bring old codes back.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
from datetime import datetime
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from handlers.core.answers import PersonId
from handlers.core.digests import canonical
from handlers.core.errors import Damage, Refusal
from handlers.core.ports import ArtifactStore, Factor
from handlers.core.text import Text

STEP_SECONDS = 30
NONCE_BYTES = 12
_WORD = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Codes(Protocol):
    """What a TOTP library does."""

    def new_seed(self) -> str:
        """A fresh seed."""

    def address(self, seed: str, person: str) -> str:
        """For a QR code."""

    def step_of(self, seed: str, code: str, steps: list[int]) -> int | None:
        """Which of the steps a code belongs to."""


class StoredFactors:
    """Factors (see the port) in an artifact store."""

    def __init__(self, store: ArtifactStore, key: bytes, codes: Codes) -> None:
        self._store = store
        self._cipher = AESGCM(key)
        self._codes = codes

    def get(self, person: PersonId, team: str) -> Factor | None:
        """See the port."""
        found = self._newest(person, team)
        return None if found is None else _factor(person, found)

    def matching_step(self, factor: Factor, team: str, code: str, moment: datetime) -> int | None:
        """See the port."""
        record = self._newest(factor.person, team)
        if record is None:
            return None
        now = int(moment.timestamp()) // STEP_SECONDS
        return self._codes.step_of(self._opened(record, factor.person, team), code, [now - 1, now])

    def mark(self, factor: Factor, team: str, *, used: bool, locked: bool) -> Factor | None:
        """See the port."""
        record = self._newest(factor.person, team)
        if record is None or record["version"] != factor.version:
            return None
        return self._stored(
            {**record, "used": used, "locked": locked, "version": factor.version + 1}, factor.person, team
        )

    def begin(self, person: PersonId, team: str) -> tuple[str, str]:
        """A new seed and its otpauth:// address; nothing is stored yet. Raises Refusal for what is not a person's id."""
        _folder(person, team)
        seed = self._codes.new_seed()
        return seed, self._codes.address(seed, person)

    def enroll(self, person: PersonId, team: str, seed: str, first: str, second: str, moment: datetime) -> Factor:
        """Stores the factor once two codes that follow each other are right. Replaces an older one, also a locked one.
        Raises Refusal, OutsideError, or Damage."""
        now = int(moment.timestamp()) // STEP_SECONDS
        # The first was read up to two minutes ago; both are spent from now on.
        recent = list(range(now - 5, now + 1))
        step, next_step = (self._codes.step_of(seed, code, recent) for code in (first, second))
        if step is None or next_step is None:
            raise Refusal(
                Text("These codes do not belong to this key. Is the phone's clock right? Nothing was stored.")
            )
        if next_step != step + 1:
            raise Refusal(Text("The second code must be the one that follows the first. Nothing was stored."))
        newest = self._newest(person, team)
        record = {
            **self._sealed(seed, person, team),
            "floor_step": next_step,
            "used": newest is not None and bool(newest["used"]),
            "locked": False,
            "version": 1 if newest is None else int(newest["version"]) + 1,
        }
        stored = self._stored(record, person, team)
        if stored is None:
            raise Refusal(Text("Somebody else enrolled this person at the same moment. Nothing was stored."))
        return stored

    def _newest(self, person: PersonId, team: str) -> dict[str, Any] | None:
        artifacts = self._store.list(f"{_folder(person, team)}/")
        if not artifacts:
            return None
        stored = self._store.get(artifacts[-1].key)
        try:
            record: dict[str, Any] = json.loads(stored or b"")
            if f"{_folder(person, team)}/{_name(int(record['version']))}" != artifacts[-1].key:
                raise ValueError("another version")
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged() from error
        return record

    def _stored(self, record: dict[str, Any], person: PersonId, team: str) -> Factor | None:
        key = f"{_folder(person, team)}/{_name(int(record['version']))}"
        return _factor(person, record) if self._store.put_new(key, canonical(record)) else None

    def _sealed(self, seed: str, person: PersonId, team: str) -> dict[str, str]:
        nonce = secrets.token_bytes(NONCE_BYTES)
        sealed = self._cipher.encrypt(nonce, seed.encode(), _bound_to(person, team))
        return {"nonce": base64.b64encode(nonce).decode(), "seed": base64.b64encode(sealed).decode()}

    def _opened(self, record: dict[str, Any], person: PersonId, team: str) -> str:
        try:
            nonce, sealed = base64.b64decode(record["nonce"]), base64.b64decode(record["seed"])
            return self._cipher.decrypt(nonce, sealed, _bound_to(person, team)).decode()
        except (InvalidTag, KeyError, TypeError, ValueError, binascii.Error) as error:
            raise _damaged() from error


def _factor(person: PersonId, record: dict[str, Any]) -> Factor:
    try:
        return Factor(
            person=person,
            floor_step=int(record["floor_step"]),
            used=bool(record["used"]),
            locked=bool(record["locked"]),
            version=int(record["version"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged() from error


def _folder(person: PersonId, team: str) -> str:
    if _WORD.fullmatch(person) is None or _WORD.fullmatch(team) is None:
        raise Refusal(Text("A person is named by their Slack id, like U0123456789."))
    return f"factors/{team}.{person}"


def _name(version: int) -> str:
    return f"{version:06d}.json"


def _bound_to(person: PersonId, team: str) -> bytes:
    return canonical(["negahban/factor/1", team, person])


def _damaged() -> Damage:
    return Damage(
        Text("The record of this second factor cannot be read: MASTER_KEY changed, or the record was. Enrol anew.")
    )
