"""Who somebody is, as the policy hears it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.slack.people import SlackPeople
from handlers.core.words.answers import Actor, PersonId, Surface
from handlers.core.words.errors import Problem
from sandbox.slack.seed import DEFAULT_SEED, SeedUser
from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import HandClock, new_chat


def actor(person: str, team: str = "T0LOCAL") -> Actor:
    return Actor(PersonId(person), team, Surface.SLACK)


@pytest.mark.parametrize(
    ("who", "standing"),
    [
        (actor("U0SARA"), "member"),
        (actor("U0GUEST"), "guest"),
        (actor("U0SARA", "T0OTHER"), "guest"),
        (actor("U0BOT"), "bot"),
        (actor("USLACKBOT"), "bot"),
        (actor("U0NOBODY"), "unknown"),
        (actor(""), "unknown"),
    ],
)
def test_what_people_are(slack: LocalSlack, who: Actor, standing: str) -> None:
    assert SlackPeople(new_chat(slack), HandClock()).standing(who) == standing


def test_a_deactivated_account_is_gone() -> None:
    users = (*DEFAULT_SEED.users, SeedUser("U0GONE", "gone", "Gone", deleted=True))
    with LocalSlack(replace(DEFAULT_SEED, users=users)) as slack:
        assert SlackPeople(new_chat(slack), HandClock()).standing(actor("U0GONE")) == "gone"


@pytest.mark.parametrize(
    ("changes", "standing"),
    [({"deleted": True}, "gone"), ({"is_restricted": True}, "guest"), ({"is_bot": True}, "bot"),
     ({"team_id": "T0OTHER"}, "guest")],
    ids=["deactivated", "a guest", "a bot", "of another workspace"],
)  # fmt: skip
def test_what_changed_about_an_account_is_known_after_a_minute_to_whom_asks_each_minute(
    slack: LocalSlack, changes: dict[str, Any], standing: str
) -> None:
    clock = HandClock()
    people = SlackPeople(new_chat(slack), clock, 60.0)
    assert people.standing(actor("U0OMID")) == "member"
    slack.change_user("U0OMID", **changes)
    assert people.standing(actor("U0OMID")) == "member"
    clock.passed += 60
    assert people.standing(actor("U0OMID")) == standing


def asked(slack: LocalSlack) -> int:
    return [call["method"] for call in slack.log()].count("users.info")


def test_a_person_is_asked_about_once_in_five_minutes(slack: LocalSlack) -> None:
    clock = HandClock()
    people = SlackPeople(new_chat(slack), clock)
    people.standing(actor("U0SARA"))
    clock.passed += 299
    people.standing(actor("U0SARA"))
    assert asked(slack) == 1
    clock.passed += 1
    people.standing(actor("U0SARA"))
    assert asked(slack) == 2


def test_what_could_not_be_asked_is_unknown_and_not_remembered(slack: LocalSlack) -> None:
    people = SlackPeople(new_chat(slack), HandClock())
    slack.fault("users.info", "500")
    assert people.standing(actor("U0SARA")) == "unknown"
    assert people.standing(actor("U0SARA")) == "member"


def test_facts_about_a_person_are_slacks(slack: LocalSlack) -> None:
    people = SlackPeople(new_chat(slack), HandClock())
    facts = people.person("U0GUEST")
    assert (facts.id, facts.restricted, facts.bot, facts.deleted, facts.team) == (
        "U0GUEST", True, False, False, "T0LOCAL",
    )  # fmt: skip
    with pytest.raises(Problem):
        people.person("U0NOBODY")


def test_a_locale_comes_with_what_the_policy_asks_and_who_waits_for_an_ack_asks_nobody(slack: LocalSlack) -> None:
    people = SlackPeople(new_chat(slack), HandClock())
    assert people.locale("U0LEILA", ask=False) == ""
    assert asked(slack) == 0
    people.standing(actor("U0LEILA"))
    assert people.locale("U0LEILA", ask=False) == "fa-IR"
    assert people.locale("U0LEILA") == "fa-IR"
    assert asked(slack) == 1
    assert people.locale("U0NOBODY") == ""
