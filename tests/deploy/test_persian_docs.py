"""The Persian documents name what exists: every runbook with its steps in order, and only settings that are read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from bot.settings import SETTINGS

ROOT = Path(__file__).parents[2]
PERSIAN = ROOT / "docs" / "fa"
RUNBOOKS = sorted((ROOT / "runbooks").glob("*.yaml"))


@pytest.mark.parametrize("path", RUNBOOKS, ids=lambda path: path.stem)
def test_every_step_of_a_runbook_is_there_in_its_order(path: Path) -> None:
    sections = re.split(r"^## ", (PERSIAN / "runbooks.md").read_text("utf-8"), flags=re.MULTILINE)
    (section,) = [each for each in sections if f"`{path.stem}`\n" in each]
    steps = re.findall(r"^(\d+)\. `([a-z0-9-]+)`", section, flags=re.MULTILINE)
    wanted = [each["name"] for each in yaml.safe_load(path.read_text("utf-8"))["steps"]]
    assert steps == [(str(number), name) for number, name in enumerate(wanted, 1)]


@pytest.mark.parametrize("path", sorted(PERSIAN.glob("*.md")), ids=lambda path: path.stem)
def test_links_lead_to_files_and_every_block_of_persian_is_closed(path: Path) -> None:
    text = path.read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (path.parent / target).exists(), target
    assert text.count('<div dir="rtl">') == text.count("</div>") > 0


def test_the_setting_of_the_language_is_named() -> None:
    assert "CHAT_LANGUAGE" in {each.name for each in SETTINGS}
    assert "CHAT_LANGUAGE=fa" in (PERSIAN / "README.md").read_text("utf-8")
