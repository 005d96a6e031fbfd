"""Second factors as the gate asks for them, and enrolment at the host's terminal.

- A factor begins with two codes that follow each other; neither they nor earlier ones are ever accepted again.
- A seed is given out once, by `begin`, and never again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

from bot.adapters.factors.records import Records, Ring, folder
from handlers.core.ports import ArtifactStore, Factor
from handlers.core.words.answers import PersonId
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Code, Seconds, Text

STEP_SECONDS = 30
DRIFT_STEPS = 20
"""How far off, in steps, a phone's clock may be for enrolment to say that this is what is wrong."""
_SEED = re.compile(r"[A-Z2-7]{32,64}")
_CODE = re.compile(r"[0-9]{6}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Codes(Protocol):
    """What makes seeds and knows their codes."""

    def new_seed(self) -> str:
        """A new random seed in base32."""

    def uri(self, seed: str, account: str) -> str:
        """The address of a seed for authenticator apps."""

    def matching_step(self, seed: str, code: str, steps: Sequence[int]) -> int | None:
        """Which of these time-steps the code belongs to, comparing all; None: to none."""


class StoredFactors:
    """The Factors port, and enrolment. All raise OutsideError when the store cannot be reached."""

    def __init__(self, store: ArtifactStore, key: bytes, codes: Codes, ring: Ring = tuple) -> None:
        """`key`, `ring`: see Records. Raises Refusal when they are not 32 bytes."""
        self._records = Records(store, key, ring)
        self._codes = codes

    def get(self, person: PersonId, team: str) -> Factor | None:
        """None: not enrolled. Raises Damage when the record cannot be decrypted."""
        kept = self._records.latest(person, team)
        return None if kept is None else kept.factor

    def matching_step(self, factor: Factor, team: str, code: str, moment: datetime) -> int | None:
        """The time-step among now's and the one before whose code this is; None for a wrong code. Raises Damage."""
        seed = self._records.seed(self._records.read(factor.person, team, factor.version), team)
        step = step_of(moment)
        return self._codes.matching_step(seed, code, (step - 1, step))

    def mark(
        self, factor: Factor, team: str, *, used: bool, locked: bool, failures: int = 0, floor_step: int = 0
    ) -> Factor | None:
        """Stores the flags durably if the record still has that version; None when somebody else was first."""
        kept = self._records.read(factor.person, team, factor.version)
        seed = self._records.seed(kept, team)
        marked = replace(
            kept.factor,
            used=used,
            locked=locked,
            failures=failures,
            floor_step=max(floor_step, kept.factor.floor_step),
            version=factor.version + 1,
        )
        return marked if self._records.put(marked, team, seed, kept.recovery, kept.origin) else None

    def begin(self, person: PersonId, team: str) -> tuple[str, str]:
        """A new seed and its `otpauth://` address, to be shown once; nothing is stored. Raises Refusal."""
        folder(person, team)
        seed = self._codes.new_seed()
        return seed, self._codes.uri(seed, person)

    def enroll(
        self,
        person: PersonId,
        team: str,
        seed: str,
        first_code: str,
        second_code: str,
        moment: datetime,
        recovery: tuple[str, ...] = (),
    ) -> Factor:
        """Stores the seed as the person's factor, in place of any earlier one, once two codes that follow each other
        are right; the second is now's or the one before. `recovery`: its recovery codes. Raises Refusal: nothing was
        stored."""
        version = self._records.version(person, team) + 1
        floor = consecutive(self._codes, seed, first_code, second_code, moment)
        factor = Factor(person, floor_step=floor, used=False, locked=False, version=version, codes_left=len(recovery))
        kept = tuple(self._records.recovery(person, team, each) for each in recovery)
        if not self._records.put(factor, team, seed, kept):
            raise Refusal(Text("{person} was enrolled by somebody else just now. Start over.", person=Code(person)))
        return factor


def consecutive(codes: Codes, seed: str, first_code: str, second_code: str, moment: datetime) -> int:
    """The step of the second code of two that follow each other. Raises Refusal that says what is wrong with them."""
    if _SEED.fullmatch(seed) is None:
        raise Refusal(Text("This is not a seed. Start over to get one."))
    first, second, now = _tidied(first_code), _tidied(second_code), step_of(moment)
    if first == second:
        raise Refusal(Text("This is the same code twice. Wait until the app shows the next one, and type that."))
    for step in (now, now - 1):
        if _follows(codes, seed, first, second, step):
            return step
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if _follows(codes, seed, first, second, step):
            raise Refusal(
                Text(
                    "The codes are right for another time: the clocks of the phone and of this host are about "
                    "{drift} apart. Set both to automatic time, and start over.",
                    drift=Seconds(abs(step - now) * STEP_SECONDS),
                )
            )
    if codes.matching_step(seed, first, range(now - DRIFT_STEPS, now + 1)) is not None:
        raise Refusal(
            Text("The second code is not the one that follows the first. Type two codes in a row, without a gap.")
        )
    raise Refusal(Text("The codes are not right. Scan the QR code again, and remove older entries from the app."))


def _follows(codes: Codes, seed: str, first: str, second: str, step: int) -> bool:
    second_fits = codes.matching_step(seed, second, (step,)) is not None
    first_fits = codes.matching_step(seed, first, (step - 1,)) is not None
    return first_fits and second_fits


def step_of(moment: datetime) -> int:
    """Whole time-steps since 1970, without floats."""
    return (moment - _EPOCH) // timedelta(seconds=STEP_SECONDS)


def _tidied(code: str) -> str:
    """A code without the spaces and hyphens that people type. Raises Refusal for what is not six digits."""
    digits = code.replace(" ", "").replace("-", "")
    if _CODE.fullmatch(digits) is None:
        raise Refusal(Text("A code is six digits, like 123 456."))
    return digits
