"""Who is in a user group, as the policy hears it: asked in the background, and never believed for long."""

from __future__ import annotations

import pytest

from bot.slack.groups import KEEP_SECONDS, Roster
from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import HandClock, new_chat

GROUP = "S0ONCALL"


def asked(slack: LocalSlack) -> int:
    return [call["method"] for call in slack.log()].count("usergroups.users.list")


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def roster(slack: LocalSlack, clock: HandClock) -> Roster:
    return Roster(new_chat(slack), lambda: [GROUP], clock)


def test_members_are_those_of_the_last_round_and_asking_for_them_asks_nobody(slack: LocalSlack, roster: Roster) -> None:
    assert roster.members() == {}
    roster.refresh()
    slack.change_usergroup(GROUP, ("U0SARA",))
    assert all(roster.members() == {GROUP: {"U0OMID", "U0LEILA"}} for _ in range(100))
    assert asked(slack) == 1
    roster.refresh()
    assert roster.members() == {GROUP: {"U0SARA"}}


@pytest.mark.parametrize("fault", ["500", "429", "error:fatal_error"])
def test_an_answer_is_kept_for_a_quarter_of_an_hour_when_slack_does_not_answer(
    slack: LocalSlack, roster: Roster, clock: HandClock, fault: str
) -> None:
    roster.refresh()
    slack.fault("usergroups.users.list", fault, times=None)
    clock.passed += KEEP_SECONDS - 1
    roster.refresh()
    assert roster.members() == {GROUP: {"U0OMID", "U0LEILA"}}
    clock.passed += 2
    roster.refresh()
    assert roster.members() == {}


@pytest.mark.parametrize("fault", ["error:missing_scope", "error:plan_upgrade_required", "error:invalid_auth"])
def test_a_group_that_we_may_not_see_is_empty_at_once(slack: LocalSlack, roster: Roster, fault: str) -> None:
    roster.refresh()
    slack.fault("usergroups.users.list", fault)
    roster.refresh()
    assert roster.members() == {GROUP: frozenset()}


def test_a_group_that_was_removed_is_empty(slack: LocalSlack, roster: Roster) -> None:
    roster.refresh()
    slack.change_usergroup(GROUP, None)
    roster.refresh()
    assert roster.members() == {GROUP: frozenset()}


def test_the_first_answers_are_there_when_the_thread_begins(roster: Roster) -> None:
    with roster:
        assert roster.members() == {GROUP: {"U0OMID", "U0LEILA"}}
