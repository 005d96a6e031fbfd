"""A handling: whatever order it is told in, the alert's card says the same of a run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from handlers.core.alerts.groups import Group
from handlers.core.alerts.handlings import MOST, Handling, joined
from handlers.core.alerts.ledger import decoded, encoded
from handlers.core.words.text import Person, Text

NOW = datetime(2026, 11, 25, tzinfo=UTC)


def handling(run: int, turns: int, *, ended: bool, link: bool) -> Handling:
    """As a run tells it: it began once, and after so many turns it says so much."""
    said = Text("step {number} by {person}", number=turns, person=Person("U0SARA"))
    end = NOW + timedelta(hours=1, minutes=run) if ended else None
    address = f"https://shop.slack.com/{run}" if link else ""
    return Handling(f"r{run}", f"Run {run}", "U0SARA", NOW + timedelta(minutes=run), said, turns, end, address)


# What one run tells: its end has the most turns.
told = st.builds(
    lambda run, turns, link: handling(run, turns, ended=turns == 4, link=link),
    st.integers(1, 7),
    st.integers(0, 4),
    st.booleans(),
)


def whole(tellings: list[Handling]) -> tuple[Handling, ...]:
    known: tuple[Handling, ...] = ()
    for each in tellings:
        known = joined(known, each)
    return known


@given(st.lists(told, max_size=12).flatmap(lambda every: st.tuples(st.just(every), st.permutations([*every, *every]))))
def test_any_order_and_repetition_ends_in_the_same(both: tuple[list[Handling], list[Handling]]) -> None:
    first, second = map(whole, both)
    assert [(each.run, each.said, each.ended) for each in first] == [
        (each.run, each.said, each.ended) for each in second
    ]
    assert len(first) <= MOST


def test_an_end_stays_an_end_and_an_address_stays() -> None:
    over = handling(1, 4, ended=True, link=True)
    assert joined((over,), handling(1, 3, ended=False, link=False)) == (over,)
    assert joined((over,), handling(1, 4, ended=True, link=False)) == (over,)


@given(st.lists(told, max_size=5))
def test_it_is_stored_whole(tellings: list[Handling]) -> None:
    group = Group("am", "r", {}, NOW, NOW, handled=whole(tellings))
    assert decoded(encoded(group)) == group
