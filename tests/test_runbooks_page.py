"""The page about runbooks says what the table of kinds says."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from handlers.core.runbooks.runbooks import read
from handlers.steps import KINDS, SHAPES

PAGE = (Path(__file__).parents[1] / "docs" / "runbooks.md").read_text()


def test_every_kind_is_there_with_what_it_takes_and_who_may() -> None:
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line.startswith("| `")
    ]
    said = {row[0].strip("`"): (set(re.findall(r"`(\w+)`", row[2])), row[3]) for row in rows}
    assert said == {name: (set(kind.shape.arguments), kind.permission.value) for name, kind in KINDS.items()}


def test_its_example_is_a_runbook() -> None:
    example = re.search(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert example is not None
    runbook, problems = read("slow", yaml.safe_load(example[1]), SHAPES)
    assert problems == ()
    assert runbook is not None
    assert runbook.matches({"alertname": "SlowAnswers", "service": "shop"})
