"""LIFECYCLES_FILE: a file of another shape is told, and what ships with the bot counts instead."""

from __future__ import annotations

from datetime import date

import pytest

from handlers.checks.lifecycles import SHIPPED, read


@pytest.mark.parametrize(
    "given",
    [None, ["node"], "node", {"at": date(2026, 11, 1), "php": {"8": date(2027, 1, 1)}}],
    ids=["nothing", "a list", "a word", "another product"],
)
def test_a_file_of_another_shape_is_told_and_changes_nothing(given: object) -> None:
    assert read(given) == (SHIPPED, ("expected `at` and any of node, electron, mongodb",))
