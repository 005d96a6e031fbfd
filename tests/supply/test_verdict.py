"""What is said about the bot's packages: green only when each was looked at."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.supply.verdict import Verdict, judged, locked

LOCK = "redis==8.1.0 \\\n    --hash=sha256:00\nPy_YAML==6.0 ; python_version >= '3.11' \\\n    --hash=sha256:11\n"
GOOD: list[dict[str, Any]] = [
    {"name": "redis", "version": "8.1.0", "vulns": []},
    {"name": "py-yaml", "version": "6.0", "vulns": []},
]
WEAK = {"id": "PYSEC-2026-1", "fix_versions": ["8.1.1"], "aliases": [], "description": "…"}


def answer(dependencies: object) -> str:
    return json.dumps({"dependencies": dependencies, "fixes": []})


def test_what_is_locked_for_other_machines_need_not_be_looked_at() -> None:
    elsewhere = LOCK + "colorama==0.4 ; sys_platform == 'nowhere' \\\n    --hash=sha256:22\n"
    assert judged(elsewhere, answer(GOOD)).verdict is Verdict.PASS


def test_it_is_well_when_each_was_looked_at_in_its_version() -> None:
    assert judged(LOCK, answer(GOOD)).verdict is Verdict.PASS


def test_a_known_weakness_is_named_with_what_mends_it() -> None:
    found = judged(LOCK, answer([{**GOOD[0], "vulns": [WEAK]}, GOOD[1]]))
    assert (found.verdict, found.lines) == (Verdict.FAIL, ("redis 8.1.0: PYSEC-2026-1, mended in 8.1.1",))


@pytest.mark.parametrize(
    "said",
    [
        "",
        "ERROR: could not connect",
        "[]",
        "{}",
        answer(None),
        answer([]),
        answer(GOOD[:1]),
        answer([GOOD[0], {"name": "py-yaml", "skip_reason": "not found on PyPI"}]),
        answer([GOOD[0], {**GOOD[1], "version": "5.0"}]),
    ],
    ids=["nothing", "words", "a list", "no list", "null", "none", "one missing", "one skipped", "another version"],
)
def test_what_was_not_seen_is_unknown_and_not_well(said: str) -> None:
    assert judged(LOCK, said).verdict is Verdict.UNKNOWN


def test_an_empty_lock_is_unknown() -> None:
    assert judged("", answer([])).verdict is Verdict.UNKNOWN


def test_the_lock_of_the_bot_is_read_whole() -> None:
    written = (Path(__file__).parents[2] / "requirements" / "bot.lock").read_text()
    assert {"redis", "slack-bolt", "pymongo", "numpy"} <= locked(written).keys()
    assert all(re.fullmatch(r"[0-9][^=]*", version) for version in locked(written).values())
