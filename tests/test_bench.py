"""`make bench` ends in time, and makes in turns what it has no time for at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import page
from tests.bench.__main__ import BENCHES, FAMILIES, LIMIT_SECONDS, fits


def test_families_are_of_benches_that_there_are() -> None:
    assert {each for names in FAMILIES.values() for each in names} <= set(BENCHES)


def test_a_bench_that_would_not_be_over_in_time_is_not_begun() -> None:
    assert fits(300, 0)
    assert fits(0, LIMIT_SECONDS)
    assert not fits(300, LIMIT_SECONDS - 300)
    assert not fits(LIMIT_SECONDS, 0)


def test_the_oldest_figures_are_made_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    kept = {
        "start": {"made": "2026-11-27T08:10", "took_seconds": 42},
        "gate": {"made": "2026-11-25"},
        "ack": {"made": "2026-11-27T08:02", "took_seconds": 157},
    }
    monkeypatch.setattr(page, "FIGURES", tmp_path / "performance.json")
    assert page.oldest_first(("start", "gate")) == ("start", "gate")
    page.FIGURES.write_text(json.dumps(kept))
    assert page.oldest_first(("start", "gate", "ack", "groups")) == ("groups", "gate", "ack", "start")
    assert page.took_last("start") == 42
    assert page.took_last("gate") == page.took_last("groups") == page.UNKNOWN_SECONDS
