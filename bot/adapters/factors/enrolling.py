"""Seeds on their way to being somebody's second factor; the port Seeds (handlers/core/door/seeds.py).

- A seed that waits for its page is sealed for one person and one enrolment; only this bot can open it.
- What was proved with two codes waits as `candidates/<team>.<person>/<enrolment>.json`, encrypted like a factor and
  bound to all that an administrator is told about it. It counts for nothing until it is admitted.
- It is admitted once: whoever writes `<enrolment>.taken` beside it, and nobody after.
- A recovery code is spent by writing the next version of the factor without it: of two who type it one wins.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import replace
from datetime import datetime
from typing import Any

from cryptography.exceptions import InvalidTag

from bot.adapters.factors.records import NONCE_BYTES, Records, Ring, folder, unreadable
from bot.adapters.factors.stored import Codes, consecutive
from handlers.core.door.seeds import Candidate, Fresh
from handlers.core.ports import ArtifactStore, Factor
from handlers.core.words.answers import PersonId
from handlers.core.words.digests import Json, canonical
from handlers.core.words.errors import Damage, Refusal
from handlers.core.words.text import Code, Text

PURPOSE = "negahban/candidate/1"
WAITING = "negahban/waiting/1"
ROUNDS = 16
_ENROLMENT = re.compile(r"[a-z2-7]{8,64}")


class StoredSeeds:
    """See the module. All raise OutsideError when the store cannot be reached."""

    def __init__(self, store: ArtifactStore, key: bytes, codes: Codes, ring: Ring = tuple) -> None:
        """`key`, `ring`: see Records. Raises Refusal when they are not 32 bytes."""
        self._records = Records(store, key, ring)
        self._store = store
        self._codes = codes

    def fresh(self, person: PersonId, team: str, enrolment: str) -> Fresh:
        """See Seeds."""
        seed = self._codes.new_seed()
        nonce, sealed = self._records.sealed(seed, _waiting(person, team, enrolment))
        return Fresh(seed, self._codes.uri(seed, person), nonce + sealed)

    def propose(
        self, candidate: Candidate, team: str, sealed: bytes, codes: tuple[str, str], recovery: tuple[str, ...]
    ) -> str:
        """See Seeds."""
        person, enrolment = candidate.person, candidate.enrolment
        try:
            seed = self._records.opened(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _waiting(person, team, enrolment))
        except (InvalidTag, ValueError) as error:
            raise Damage(Text("What was kept of this enrolment cannot be read. Start over.")) from error
        floor = consecutive(self._codes, seed, codes[0], codes[1], candidate.created)
        facts: dict[str, Json] = {
            "floor_step": floor,
            "renews": candidate.renews,
            "proof": candidate.proof,
            "created": candidate.created.isoformat(),
            "recovery": [self._records.recovery(person, team, each) for each in recovery],
        }
        nonce, kept = self._records.sealed(seed, _bound(person, team, enrolment, facts))
        spelled = canonical(
            {**facts, "v": 1, "nonce": base64.b64encode(nonce).decode(), "seed": base64.b64encode(kept).decode()}
        )
        if not self._store.put_new(_key(person, team, enrolment), spelled):
            raise Refusal(Text("This enrolment has ended already. Start over."))
        return hashlib.sha256(spelled).hexdigest()

    def candidate(self, person: PersonId, team: str, enrolment: str) -> Candidate | None:
        """See Seeds."""
        stored = self._store.get(_key(person, team, enrolment))
        if stored is None:
            return None
        data, _ = self._opened(person, team, enrolment, stored)
        return Candidate(
            person,
            enrolment,
            datetime.fromisoformat(data["created"]),
            renews=data["renews"],
            proof=data["proof"],
            fingerprint=hashlib.sha256(stored).hexdigest(),
            taken=self._store.get(_taken(person, team, enrolment)) is not None,
        )

    def admit(self, candidate: Candidate, team: str, cooling_until: int) -> Factor:
        """See Seeds."""
        person, enrolment = candidate.person, candidate.enrolment
        stored = self._store.get(_key(person, team, enrolment))
        if stored is None or hashlib.sha256(stored).hexdigest() != candidate.fingerprint:
            raise Refusal(Text("This is not the second factor that was approved. Nothing was changed."))
        data, seed = self._opened(person, team, enrolment, stored)
        before = self._records.latest(person, team)
        if before is not None and not data["renews"]:
            raise Refusal(Text("{person} has a second factor by now. Nothing was changed.", person=Code(person)))
        if not self._store.put_new(_taken(person, team, enrolment), b"{}"):
            raise Refusal(Text("This second factor was let in before. Nothing was changed."))
        factor = Factor(
            person,
            floor_step=max(data["floor_step"], 0 if before is None else before.factor.floor_step),
            used=before is not None,
            locked=False,
            version=1 + (0 if before is None else before.factor.version),
            cooling_until=cooling_until,
            codes_left=len(data["recovery"]),
        )
        if not self._records.put(factor, team, seed, tuple(data["recovery"]), enrolment):
            raise Refusal(Text("{person}'s second factor was changed just now. Start over.", person=Code(person)))
        return factor

    def admitted(self, person: PersonId, team: str, enrolment: str) -> bool:
        """See Seeds."""
        kept = self._records.latest(person, team)
        return kept is not None and kept.origin == enrolment

    def recovers(self, person: PersonId, team: str, code: str) -> bool:
        """See Seeds."""
        for _ in range(ROUNDS):
            kept = self._records.latest(person, team)
            if kept is None:
                return False
            typed = self._records.recovery(person, team, code)
            left = tuple(each for each in kept.recovery if not hmac.compare_digest(each, typed))
            if len(left) == len(kept.recovery):
                return False
            spent = replace(kept.factor, version=kept.factor.version + 1, codes_left=len(left))
            if self._records.put(spent, team, self._records.seed(kept, team), left, kept.origin):
                return True
        return False

    def _opened(self, person: PersonId, team: str, enrolment: str, stored: bytes) -> tuple[dict[str, Any], str]:
        """Its facts and its seed. Raises Damage when it is not what was stored under this key."""
        try:
            data: dict[str, Any] = json.loads(stored)
            facts = {name: data[name] for name in ("floor_step", "renews", "proof", "created", "recovery")}
            bound = _bound(person, team, enrolment, facts)
            return facts, self._records.opened(base64.b64decode(data["nonce"]), base64.b64decode(data["seed"]), bound)
        except (InvalidTag, ValueError, KeyError, TypeError) as error:
            raise unreadable(person) from error


def _bound(person: PersonId, team: str, enrolment: str, facts: dict[str, Json]) -> bytes:
    return canonical({"purpose": PURPOSE, "team": team, "person": person, "enrolment": enrolment, **facts})


def _waiting(person: PersonId, team: str, enrolment: str) -> bytes:
    return canonical({"purpose": WAITING, "team": team, "person": person, "enrolment": enrolment})


def _key(person: PersonId, team: str, enrolment: str) -> str:
    if _ENROLMENT.fullmatch(enrolment) is None:
        raise Refusal(Text("{id} is not an enrolment.", id=Code(enrolment)))
    return f"{folder(person, team, 'candidates')}/{enrolment}.json"


def _taken(person: PersonId, team: str, enrolment: str) -> str:
    return _key(person, team, enrolment).removesuffix(".json") + ".taken"
