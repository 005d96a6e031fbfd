"""A look at the health of a target, as its card tells it and as it is printed for files and programs."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from handlers.checks.printed import spelled
from handlers.checks.telling import SHOWN
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.words.jobs import Job
from handlers.core.words.text import Text
from tests.handlers.test_comparison import House

FINE = replace(passed("TLS", Text("Only encrypted connections are taken.")), source="MongoDB")
BAD = replace(failed("lag", Text("b is behind.")), source="the replica set")
UNSURE = unknown("disk", Text("What is free is not known."))


@pytest.fixture
def house() -> House:
    return House()


def lines(house: House, job: Job) -> list[str]:
    return [str(each) for each in house.handler.describe(job).lines]


def test_a_section_of_its_own_names_whose_word_it_is(house: House) -> None:
    house.played.found["mongo"] = (FINE, BAD, UNSURE, replace(FINE, name="users"))
    assert "Said by: the replica set; MongoDB" in lines(house, house.looked("mongo"))
    assert not any(each.startswith("Said by") for each in lines(house, house.looked()))


def test_a_section_of_which_nobody_says_who_told_it_names_nobody(house: House) -> None:
    house.played.found["mongo"] = (UNSURE,)
    assert lines(house, house.looked("mongo")) == ["*mongo*: 0 of 1 are well", "? What is free is not known."]


def test_what_is_wrong_beyond_what_a_card_holds_is_counted_and_where_it_is_listed_is_said(house: House) -> None:
    many: tuple[Finding, ...] = tuple(
        failed(f"lag of {at}", Text("{at} is behind.", at=str(at))) for at in range(SHOWN + 3)
    )
    house.played.found["mongo"] = many
    together = lines(house, house.looked())
    assert "… and 3 more; press mongo" in together
    assert sum(each.startswith("✗") for each in together) == SHOWN
    alone = lines(house, house.looked("mongo"))
    assert sum(each.startswith("✗") for each in alone) == SHOWN + 3
    assert not any("more; press" in each for each in alone)


def test_a_look_is_markdown_with_every_finding_by_section(house: House) -> None:
    house.played.found = {"mongo": (FINE, BAD), "audit": (UNSURE,)}
    assert spelled(house.looked(), form="markdown").splitlines() == [
        "# Health of shop",
        "",
        "2026-11-24T03:00:00+00:00",
        "",
        "## mongo",
        "",
        "- PASS Only encrypted connections are taken.",
        "- FAIL b is behind.",
        "",
        "## audit",
        "",
        "- UNKNOWN What is free is not known.",
    ]


def test_a_look_that_never_came_to_its_end_found_nothing_and_is_not_known(house: House) -> None:
    died = replace(house.looked(), outcome=None)
    data = json.loads(spelled(died, form="json"))
    assert (data["verdict"], data["found"]) == ("unknown", {})
    assert spelled(died, form="markdown") == "# Health of shop\n\n2026-11-24T03:00:00+00:00\n"
