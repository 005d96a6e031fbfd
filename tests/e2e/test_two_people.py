"""A restore that two people must confirm, as they live it: one plan, two codes, one restore."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.demo import tour
from sandbox.demo.stage import Stage
from tests.conftest import needs

OPS = "C0OPS"
POLICY = """
people:
  sara: {slack: [U0SARA], roles: [operator]}
  omid: {slack: [U0OMID], roles: [lead]}
rules:
  - {allow: [operator, lead], may: operate}
  - {allow: [operator], may: destroy, commands: [restore], approvals: {count: 1, from: [lead]}}
"""


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    for part in ("mongod", "redis-server", "mongodump", "mongorestore"):
        needs(part)
    policy = Path(tmp_path_factory.mktemp("policy")) / "policy.yaml"
    policy.write_text(POLICY)
    with Stage(more={"POLICY_FILE": str(policy)}) as running:
        running.enrol("U0OMID")
        yield running


def test_a_restore_waits_for_the_second_person_and_their_own_code(stage: Stage) -> None:
    sara, omid, leila = (stage.slack.person(each) for each in ("U0SARA", "U0OMID", "U0LEILA"))
    leila.command(OPS, "/backup list")
    # Her Slack is Persian, and only she sees it.
    leila.wait_for_message(OPS, lambda message: "نام شما در سیاست دسترسی نیست" in tour.words(message), 20)
    sara.command(OPS, "/backup now")
    tour.ended(sara, "Backup of shop: ")
    sara.command(OPS, "/restore latest")
    plan = sara.wait_for_message(
        OPS, lambda message: "Restore" in tour.words(message) and tour.has_button(message, "confirm"), 30
    )
    assert "then 1 more must agree" in tour.words(plan)
    tour.confirm(stage, plan["ts"], lambda words: None)
    sara.wait_for_message(OPS, lambda message: "1 more must agree, with their own code" in tour.words(message), 20)
    sara.click(OPS, plan["ts"], "confirm")
    sara.wait_for_view("explanation", 20)
    tour.confirm(stage, plan["ts"], lambda words: None, "U0OMID")
    card = tour.ended(omid, "into shop: ")
    assert "done" in tour.words(card)
