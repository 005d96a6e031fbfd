"""One byte: what two people confirmed is run to the letter or not at all.

- Two thousand changes of one byte each (ten thousand with `make chaos CHAOS=full`), between the last code and the
  worker: in the stored plan with its target, in what the codes confirmed, in the policy.
- Either the job does not run, or the byte was none of the plan's (a note, a time), and what runs is what was confirmed.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest

from handlers.core.door import policy_data
from handlers.core.ports import Held
from handlers.core.words.digests import Json, canonical
from handlers.core.words.errors import Problem
from tests.depth import FULL
from tests.handlers.test_consent import LEILA, PEOPLE, SARA, Team

CASES = 10_000 if FULL else 2_000
RULES: list[Json] = [
    {"allow": ["operator", "lead"], "may": "operate"},
    {"allow": ["operator"], "may": "destroy", "approvals": {"count": 1, "from": ["lead"]}, "targets": ["shop", "wiki"]},
]  # fmt: skip
POLICY = canonical({"people": PEOPLE, "rules": RULES})


class Confirmed(Team):
    """A job that Sara asked for and Leila agreed to; it can be put back to how it was before any worker came."""

    def __init__(self) -> None:
        super().__init__()
        self.book.rules, problems = policy_data.read(json.loads(POLICY))
        assert problems == ()
        self.job = self.began("destroy")
        self.confirm(self.job, SARA)
        self.confirm(self.job, LEILA)
        self.digest = self.loaded(self.job).plan.digest
        self.rules, self.kept = self.book.rules, dict(self.state._values)

    def again(self) -> None:
        self.state._values.clear()
        self.state._values.update(self.kept)
        self.book.rules, self.desk = self.rules, self.new_desk()
        self.doing.ran.clear()
        self.audit.events.clear()
        self.doing.recovered.clear()
        for faults in (self.state._faults, self.audit.faults, self.factors._faults):
            faults.calls.clear()

    def changed(self, key: str, how: Callable[[bytes], bytes]) -> None:
        held, until = self.state._values[key]
        self.state._values[key] = (Held(how(held.value), held.version), until)

    def ran(self) -> bool:
        """Whether it ran; then it was what was confirmed."""
        try:
            self.desk.work(self.job)
        except (Problem, ValueError, KeyError):  # a record that cannot be read; an operation that nobody has
            assert self.doing.ran == []
        assert {each.digest for each in self.audit.events if each.event == "job.started"} <= {self.digest}
        return bool(self.doing.ran)


@pytest.fixture(scope="module")
def confirmed() -> Confirmed:
    return Confirmed()


def one_byte(dice: random.Random, begin: int = 0, end: int | None = None) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        at = dice.randrange(begin, len(data) if end is None else end)
        return data[:at] + bytes([data[at] ^ dice.randrange(1, 256)]) + data[at + 1 :]

    return changed


def test_unchanged_it_runs(confirmed: Confirmed) -> None:
    confirmed.again()
    assert confirmed.ran()


def test_no_byte_of_the_plan_or_its_target_can_change_after_the_last_code(confirmed: Confirmed) -> None:
    dice, stored = random.Random(1), confirmed.kept[f"job:{confirmed.job}"][0].value
    plan = canonical(confirmed.loaded(confirmed.job).plan.to_json())
    begin = stored.index(plan)
    for _ in range(CASES * 6 // 10):
        confirmed.again()
        confirmed.changed(f"job:{confirmed.job}", one_byte(dice, begin, begin + len(plan)))
        assert not confirmed.ran()


def test_whichever_byte_of_its_record_changed_only_the_confirmed_plan_runs(confirmed: Confirmed) -> None:
    dice, ran = random.Random(2), 0
    for _ in range(CASES // 10):
        confirmed.again()
        confirmed.changed(f"job:{confirmed.job}", one_byte(dice))
        ran += confirmed.ran()
    assert ran, "a note or a time does not count"


def test_no_byte_of_what_the_codes_confirmed_can_change(confirmed: Confirmed) -> None:
    dice = random.Random(3)
    for _ in range(CASES // 10):
        confirmed.again()
        confirmed.changed(f"approved:{confirmed.job}", one_byte(dice))
        assert not confirmed.ran()


def test_no_byte_of_the_policy_that_counts_can_change(confirmed: Confirmed) -> None:
    """What changed in the file and is a policy still is another version, so nothing runs under it."""
    dice, first = random.Random(4), policy_data.read(json.loads(POLICY))
    assert first[1] == ()
    others = 0
    for _ in range(CASES * 2 // 10):
        try:
            known, problems = policy_data.read(json.loads(one_byte(dice)(POLICY)))
        except ValueError:
            continue  # the last good rules go on
        if problems:
            continue
        assert known.version != first[0].version
        others += 1
        confirmed.again()
        confirmed.book.rules = known
        assert not confirmed.ran()
    assert others >= CASES // 400
