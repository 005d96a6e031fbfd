"""The gate: a challenge binds one person to one plan digest, once, for two minutes.

- One record per person in the state, changed by compare-and-set only, over all processes. Under 200 simultaneous
  submissions of one code exactly one write can win; everybody else then sees that it is spent.
- A code's time-step is spent once per person, for ever: steps only grow (RFC 6238 §5.2). Accepted are the current
  step and the one before; never a future one.
- Wrong codes count: three kill a challenge; five in a row lock for 15 minutes, eight for an hour, ten until somebody
  else unlocks it or the person is enrolled anew on the host. The count and that last lock are kept beside the backups,
  where losing Redis does not undo them: in a factor's life nobody gets more than ten guesses in a row.
- A code that comes a second time, in another question, is told apart: somebody may have seen it.
- A factor that replaced another confirms nothing before its cooling time is over.
- State that is missing or may have been lost (restart, flush) refuses a person who used a code before for 90 s: by
  then every code seen earlier has run out. No state at all refuses.
- A malformed code costs no try. A code is never stored, shown or logged.
Source of the numbers: NIST SP 800-63B §5.2.2 (at most 100 tries), RFC 6238 §5.2, docs/adr.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Any, assert_never

from handlers.core.ports import Clock, Entropy, Factor, Factors, State
from handlers.core.words.answers import Actor, PersonId
from handlers.core.words.digests import Json, canonical
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.text import Seconds, Text

# A bot serves one workspace: people of others were refused before the gate, and the terminal knows no team.
WORKSPACE = "workspace"
CHALLENGE_SECONDS = 120
TRIES = 3
QUARANTINE_SECONDS = 90
STEP_SECONDS = 30
SOFT_LOCKS = {5: 15 * 60, 6: 15 * 60, 7: 15 * 60, 8: 60 * 60, 9: 60 * 60}
HARD_LOCK_FAILURES = 10
ROUNDS = 64
_CODE = re.compile(r"[0-9]{6}")


class Decision(Enum):
    """What became of a submission."""

    ACCEPTED = "accepted"
    WRONG = "wrong"
    MALFORMED = "malformed"
    SPENT = "spent"
    REPLAYED = "replayed"
    EXPIRED = "expired"
    DEAD = "dead"
    LOCKED = "locked"
    HARD_LOCKED = "hard_locked"
    COOLING = "cooling"
    WAIT = "wait"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Open:
    """A challenge: `state` is open, confirmed or dead; `expires` in Unix seconds."""

    digest: str
    expires: int
    tries: int = TRIES
    state: str = "open"


@dataclass(frozen=True, slots=True)
class Record:
    """All the gate remembers of a person. Times are Unix seconds."""

    incarnation: str
    enrolled_step: int = 0  # the enrolment the failures were counted against
    last_step: int = 0
    failures: int = 0
    locked_until: int = 0
    quiet_until: int = 0
    challenges: Mapping[str, Open] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The stored form."""
        challenges: dict[str, Json] = {
            key: [each.digest, each.expires, each.tries, each.state] for key, each in self.challenges.items()
        }
        return canonical(
            {
                "incarnation": self.incarnation,
                "enrolled_step": self.enrolled_step,
                "last_step": self.last_step,
                "failures": self.failures,
                "locked_until": self.locked_until,
                "quiet_until": self.quiet_until,
                "challenges": challenges,
            }
        )

    @staticmethod
    def from_bytes(stored: bytes) -> Record:
        """Raises Damage for what is not a record."""
        try:
            data: Any = json.loads(stored)
            challenges = {key: Open(*each) for key, each in data.pop("challenges").items()}
            return Record(**data, challenges=challenges)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise Damage(Text("The record of your codes is unreadable, so none is accepted.")) from error


@dataclass(frozen=True, slots=True)
class Submission:
    """What was typed: its challenge, the digest it must be for, and the time-step the code belongs to (None: wrong)."""

    challenge: str
    digest: str
    step: int | None


def decide(record: Record, submission: Submission, *, floor_step: int, now: int) -> tuple[Record, Decision]:
    """The rule. The same record comes back when nothing was learned."""
    challenge = record.challenges.get(submission.challenge)
    if challenge is None or challenge.digest != submission.digest:
        return record, Decision.UNKNOWN
    if record.failures >= HARD_LOCK_FAILURES:
        return record, Decision.HARD_LOCKED
    if challenge.state == "confirmed":
        return record, Decision.SPENT
    if challenge.state == "dead":
        return record, Decision.DEAD
    if now >= challenge.expires:
        return record, Decision.EXPIRED
    if now < record.locked_until:
        return record, Decision.LOCKED
    if now < record.quiet_until:
        return record, Decision.WAIT
    if submission.step is None:
        return _failed(record, submission.challenge, challenge, now)
    if submission.step <= max(record.last_step, floor_step):
        return record, Decision.REPLAYED if submission.step == record.last_step else Decision.SPENT
    confirmed = {**record.challenges, submission.challenge: replace(challenge, state="confirmed")}
    return (
        replace(record, last_step=submission.step, failures=0, locked_until=0, challenges=confirmed),
        Decision.ACCEPTED,
    )


def _failed(record: Record, key: str, challenge: Open, now: int) -> tuple[Record, Decision]:
    failures, tries = record.failures + 1, challenge.tries - 1
    lock = SOFT_LOCKS.get(failures, 0)
    after = replace(
        record,
        failures=failures,
        locked_until=now + lock if lock else record.locked_until,
        challenges={**record.challenges, key: replace(challenge, tries=tries, state="open" if tries else "dead")},
    )
    if failures >= HARD_LOCK_FAILURES:
        return after, Decision.HARD_LOCKED
    if lock:
        return after, Decision.LOCKED
    return after, Decision.WRONG if tries else Decision.DEAD


class Gate:
    """Opens challenges and judges codes."""

    def __init__(self, state: State, factors: Factors, clock: Clock, entropy: Entropy) -> None:
        self._state = state
        self._factors = factors
        self._clock = clock
        self._entropy = entropy

    def enrolled(self, actor: Actor) -> bool:
        """Whether the person has a second factor. Raises OutsideError or Damage."""
        return self._factors.get(actor.person, WORKSPACE) is not None

    def cooling(self, actor: Actor) -> Text | None:
        """Why the person's factor confirms nothing yet; None: it does, or there is none. Raises as `enrolled`."""
        factor = self._factors.get(actor.person, WORKSPACE)
        return None if factor is None else self._cooling(factor)

    def unlock(self, person: PersonId) -> bool:
        """Lifts the lock of ten wrong codes; no code of now or before is ever accepted then. False: there is none.
        Raises OutsideError or Damage."""
        for _ in range(ROUNDS):
            factor = self._factors.get(person, WORKSPACE)
            if factor is None or not factor.locked:
                return False
            floor = self._now() // STEP_SECONDS
            if self._factors.mark(factor, WORKSPACE, used=factor.used, locked=False, floor_step=floor) is not None:
                return True
        raise _contended()

    def open(self, actor: Actor, digest: str) -> str:
        """A new challenge for this person and this plan. Raises Refusal, OutsideError or Damage."""
        factor = self._factor(actor)
        if factor.locked:
            raise Refusal(reason(Decision.HARD_LOCKED))
        cooling = self._cooling(factor)
        if cooling is not None:
            raise Refusal(cooling)
        challenge = self._entropy.token(20)
        for _ in range(ROUNDS):
            record, version = self._record(actor, factor)
            now = self._now()
            if record.failures >= HARD_LOCK_FAILURES:
                raise Refusal(reason(Decision.HARD_LOCKED))
            if now < record.locked_until:
                raise Refusal(reason(Decision.LOCKED, wait=record.locked_until - now))
            kept = {key: each for key, each in record.challenges.items() if each.expires > now}
            after = replace(record, challenges={**kept, challenge: Open(digest, now + CHALLENGE_SECONDS)})
            if self._put(actor, after, version):
                return challenge
        raise _contended()

    def submit(self, actor: Actor, challenge: str, digest: str, code: str) -> tuple[Decision, Text]:
        """Judges a code, and says why. Raises Refusal (not enrolled), OutsideError or Damage: nothing was approved."""
        factor = self._factor(actor)
        if factor.locked:
            return Decision.HARD_LOCKED, reason(Decision.HARD_LOCKED)
        cooling = self._cooling(factor)
        if cooling is not None:
            return Decision.COOLING, cooling
        typed = code.replace(" ", "").replace("-", "")
        if _CODE.fullmatch(typed) is None:
            return Decision.MALFORMED, reason(Decision.MALFORMED)
        moment = self._clock.now()
        step = self._factors.matching_step(factor, WORKSPACE, typed, moment)
        for _ in range(ROUNDS):
            record, version = self._record(actor, factor)
            now = self._now()
            after, decision = decide(record, Submission(challenge, digest, step), floor_step=factor.floor_step, now=now)
            if decision is Decision.ACCEPTED and not (factor.used and factor.failures == 0):
                factor = self._marked(actor, factor, locked=False, failures=0)
                continue
            if after is record or self._put(actor, after, version):
                if after.failures > factor.failures:
                    self._marked(actor, factor, locked=after.failures >= HARD_LOCK_FAILURES, failures=after.failures)
                wait = max(after.locked_until, after.quiet_until) - now
                return decision, reason(decision, wait=wait, tries=_tries(after, challenge))
        raise _contended()

    def _factor(self, actor: Actor) -> Factor:
        factor = self._factors.get(actor.person, WORKSPACE)
        if factor is None:
            raise Refusal(Text("You have no second factor here."))
        return factor

    def _record(self, actor: Actor, factor: Factor) -> tuple[Record, str | None]:
        held = self._state.get(_key(actor))
        # Asked after the record was read: a failover in between is then seen, not paired with an older life.
        incarnation = self._state.incarnation()
        record = None if held is None else Record.from_bytes(held.value)
        version = None if held is None else held.version
        if record is not None and record.incarnation == incarnation:
            return _since_enrolment(record, factor), version
        quiet = self._now() + QUARANTINE_SECONDS if factor.used else 0
        fresh = Record(incarnation) if record is None else replace(record, incarnation=incarnation, challenges={})
        fresh = replace(fresh, quiet_until=quiet)
        stored = self._state.put_if(_key(actor), fresh.to_bytes(), version)
        if stored is None:
            return self._record_again(actor, factor, incarnation)
        return _since_enrolment(fresh, factor), stored

    def _record_again(self, actor: Actor, factor: Factor, incarnation: str) -> tuple[Record, str | None]:
        held = self._state.get(_key(actor))
        record = None if held is None else Record.from_bytes(held.value)
        if held is None or record is None or record.incarnation != incarnation:
            raise _contended()
        return _since_enrolment(record, factor), held.version

    def _put(self, actor: Actor, record: Record, version: str | None) -> bool:
        return self._state.put_if(_key(actor), record.to_bytes(), version) is not None

    def _marked(self, actor: Actor, factor: Factor, *, locked: bool, failures: int) -> Factor:
        """Durably: that it was used, or how many codes in a row were wrong, and whether it is locked."""
        for _ in range(ROUNDS):
            count = max(failures, factor.failures) if failures else 0
            used, lock = factor.used or not failures or locked, locked or factor.locked
            marked = self._factors.mark(factor, WORKSPACE, used=used, locked=lock, failures=count)
            if marked is not None:
                return marked
            factor = self._factor(actor)
        raise _contended()

    def _cooling(self, factor: Factor) -> Text | None:
        left = factor.cooling_until - self._now()
        return reason(Decision.COOLING, wait=left) if left > 0 else None

    def _now(self) -> int:
        return _unix(self._clock.now())


def _since_enrolment(record: Record, factor: Factor) -> Record:
    """Failures and locks count against one enrolment; a newer one starts anew. Spent steps stay spent. What the
    factor remembers of failures counts, whatever was forgotten here."""
    if factor.floor_step <= record.enrolled_step:
        return replace(record, failures=max(record.failures, factor.failures))
    return replace(record, enrolled_step=factor.floor_step, failures=0, locked_until=0, challenges={})


def _key(actor: Actor) -> str:
    return f"gate:{actor.person}"


def _unix(moment: datetime) -> int:
    return int(moment.timestamp())


def _tries(record: Record, challenge: str) -> int:
    found = record.challenges.get(challenge)
    return 0 if found is None else found.tries


def _contended() -> OutsideError:
    return OutsideError(Text("Too many codes were typed at once. Nothing was approved; try again."))


def reason(decision: Decision, *, wait: int = 0, tries: int = 0) -> Text:
    """What a person reads."""
    match decision:
        case Decision.ACCEPTED:
            return Text("The code is right.")
        case Decision.WRONG:
            return Text("That code is not right. Tries left: {tries}.", tries=tries)
        case Decision.MALFORMED:
            return Text("A code is six digits, like 123 456.")
        case Decision.SPENT:
            return Text("This code was already used. Wait for the next one, at most 30 seconds.")
        case Decision.EXPIRED:
            return Text("The two minutes are over. Press the button again.")
        case Decision.DEAD:
            return Text("Three wrong codes. Press the button again to start over.")
        case Decision.LOCKED:
            return Text("Too many wrong codes. Wait {wait}.", wait=Seconds(max(wait, 0)))
        case Decision.HARD_LOCKED:
            return Text("Ten wrong codes in a row: your second factor is locked until somebody else unlocks it.")
        case Decision.REPLAYED:
            return Text(
                "This code was used before, so this operation is locked. If you did not use it, somebody can see your "
                "codes: tell an administrator. Otherwise ask again, and wait for the next code."
            )
        case Decision.COOLING:
            return Text(
                "Your second factor is new in the place of another, so it confirms nothing yet. Wait {wait}.",
                wait=Seconds(max(wait, 0)),
            )
        case Decision.WAIT:
            return Text(
                "The bot's memory was just restarted, and old codes must run out first. Wait {wait}.",
                wait=Seconds(max(wait, 0)),
            )
        case Decision.UNKNOWN:
            return Text("This question is not open any more, or it was not for you. Press the button again.")
        case _:
            assert_never(decision)
