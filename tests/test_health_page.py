"""docs/health-checks.md: every check is there, the tests it names exist, and what the tests did not see is found."""

from __future__ import annotations

import re

from tests.health_page import PAGE, ROWS, page, problems
from tests.test_threat_model import NAMED, ROOT, named_in
from tests.verdicts import VERDICTS, Seen

TEXT = (ROOT / PAGE).read_text()
MODULE, NAME = "handlers.checks.mongo", "connections"


def noted(*verdicts: str, name: str = NAME, limit: str = "80 %") -> list[Seen]:
    return [(MODULE, name, verdict, "It is {so}.", limit, "tests/x.py::test_x") for verdict in verdicts]


def test_every_check_has_its_line_and_its_tests() -> None:
    titles = [line.split(" | ")[0].removeprefix("| ") for line in TEXT.splitlines() if line.startswith("| ")]
    for row in ROWS:
        assert row.title in titles
        assert f"{row.section}: {row.title}" in titles
    assert "(never)" not in TEXT


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(TEXT)
    assert len(named) == len(re.findall(r"::test_", TEXT)) > len(ROWS)
    assert [each for each in named if each[1] not in named_in(ROOT / "tests" / each[0])] == []


def test_a_verdict_that_nobody_saw_and_a_check_that_nobody_listed_are_problems() -> None:
    about = [each for each in problems(noted("passed", "failed")) if "connections" in each]
    assert about == ["mongo: no test has seen connections unknown"]
    assert not [each for each in problems(noted(*VERDICTS)) if "connections" in each]
    assert f"{MODULE}: 'new' is in 0 rows of tests/health_page.py" in list(problems(noted("passed", name="new")))


def test_a_limit_is_told_where_it_is_always_the_same() -> None:
    (line,) = [each for each in page(noted(*VERDICTS)).splitlines() if each.startswith("| connections |")]
    assert line == "| connections | It is *so*. | It is *so*. | It is *so*. | 80 % |"
    two = [*noted("failed"), *noted("failed", limit="90 %")]
    (line,) = [each for each in page(two).splitlines() if each.startswith("| connections |")]
    assert line.endswith("|  |")
