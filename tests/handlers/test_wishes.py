"""A wish for a restore is understood as it was meant, or refused with a sentence."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.backups.wishes import Wish, wish
from handlers.core.words.errors import Refusal

MOMENT = datetime(2026, 11, 23, 10, 35, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("latest", Wish("latest", None, "", (), "")),
        ("latest shop", Wish("latest", None, "shop", (), "")),
        ("2026-11-23T14:05:30+03:30", Wish("", MOMENT, "", (), "")),
        ("2026-11-23T10:35:30Z shop", Wish("", MOMENT, "shop", (), "")),
        ("latest only orders", Wish("latest", None, "", ("orders",), "")),
        ("latest shop only orders,users", Wish("latest", None, "shop", ("orders", "users"), "")),
        ("latest only orders, users into copy", Wish("latest", None, "", ("orders", "users"), "copy")),
        ("latest only orders users", Wish("latest", None, "", ("orders", "users"), "")),
        ("latest only into", Wish("latest", None, "", ("into",), "")),
        ("latest into shop_copy", Wish("latest", None, "", (), "shop_copy")),
        ("latest into copy only orders", Wish("latest", None, "", ("orders",), "copy")),
        ("latest only orders,orders", Wish("latest", None, "", ("orders",), "")),
    ],
)
def test_words_mean_what_somebody_would_think(words: str, meant: Wish) -> None:
    assert wish(words.split()) == meant


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("2026-11-23T14:05:30", "no time zone"),
        ("2026-11-23T25:05:30Z", "not a time"),
        ("2026-13-23T14:05:30Z", "not a time"),
        ("0001-01-01T00:00:00+03:30", "not a time"),
        ("9999-12-31T23:59:59-03:30", "not a time"),
        ("latest shop only", "do not understand"),
        ("latest into", "do not understand"),
        ("latest only ,", "Which collections"),
        ("latest shop another", "do not understand"),
        ("latest into one into two", "do not understand"),
        ("latest into admin", "cannot be the name"),
        ("latest into local", "cannot be the name"),
        ("latest into config", "cannot be the name"),
        ("latest into a.b", "cannot be the name"),
        ("latest into $where", "cannot be the name"),
        (f"latest into {'x' * 64}", "cannot be the name"),
    ],
)
def test_what_could_be_meant_otherwise_is_refused(words: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        wish(words.split())


@given(
    st.lists(
        st.sampled_from(["latest", "only", "into", "a", "a,", ",", "2026-11-23T14:05:30Z"]) | st.text(), min_size=1
    )
)
def test_any_words_are_a_wish_or_a_refusal(words: list[str]) -> None:
    try:
        meant = wish(words)
    except Refusal:
        return
    assert bool(meant.backup) != (meant.at is not None) or words[0] == ""
    assert meant.into not in {"admin", "local", "config"}
