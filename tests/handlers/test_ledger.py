"""The ledger: what others change at the same time is never lost, and who always comes second hears so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handlers.core.alerts.books import Book, Own
from handlers.core.alerts.groups import Group
from handlers.core.alerts.ledger import MOST_SAID, ROUNDS, Ledger, decoded, encoded, noted
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from tests.fakes import FakeClock, MemoryState
from tests.handlers.test_pictures import CHANNEL, House


def counted(ledger: Ledger, group_id: str) -> int:
    group = ledger.load(group_id)
    assert group is not None
    return group.hidden


def test_a_group_that_others_change_all_the_time_is_given_up_and_theirs_stays() -> None:
    house = House()
    name, other = house.tell("Slow", "a"), Ledger(house.state)

    def how(group: Group) -> Group:
        other.change(name, lambda each: replace(each, hidden=each.hidden + 1))
        return replace(group, unclear=True)

    with pytest.raises(OutsideError, match="the same group of alerts at once"):
        house.ledger.change(name, how)
    assert (counted(house.ledger, name), house.group(name).unclear) == (ROUNDS, False)


def owned(book: Book, name: str) -> Book:
    return replace(book, own={**book.own, name: Own(0, FakeClock().now())})


def test_a_book_that_another_bot_wrote_in_between_is_read_anew_and_has_both() -> None:
    state = MemoryState(FakeClock())
    ledger, other = Ledger(state), Ledger(state)
    rounds: list[Book] = []

    def how(book: Book) -> Book:
        rounds.append(book)
        if len(rounds) == 1:
            other.change_book(CHANNEL, lambda each: owned(each, "theirs"))
        return owned(book, "ours")

    ledger.change_book(CHANNEL, how)
    assert [set(each.own) for each in rounds] == [set(), {"theirs"}]
    assert set(ledger.book(CHANNEL).own) == set(other.book(CHANNEL).own) == {"theirs", "ours"}


def test_a_book_that_others_write_all_the_time_is_given_up_and_theirs_stays() -> None:
    state = MemoryState(FakeClock())
    ledger, other = Ledger(state), Ledger(state)

    def how(book: Book) -> Book:
        other.change_book(CHANNEL, lambda each: replace(each, serial=each.serial + 1))
        return owned(book, "ours")

    with pytest.raises(OutsideError, match="the same channel's book at once"):
        ledger.change_book(CHANNEL, how)
    assert ledger.book(CHANNEL) == Book(serial=ROUNDS)


def test_of_a_long_history_the_newest_is_kept_and_how_much_there_was_is_known() -> None:
    house = House()
    group = house.group(house.tell("Flaps", "a"))
    told = len(group.said)
    for number in range(3 * MOST_SAID):
        group = decoded(encoded(noted(group, Text("change {number}", number=number))))
    assert len(group.said) == MOST_SAID
    assert [str(group.said[0]), str(group.said[-1])] == [f"change {2 * MOST_SAID}", f"change {3 * MOST_SAID - 1}"]
    assert group.said_before + len(group.said) == told + 3 * MOST_SAID
    assert len(encoded(noted(group, Text("one more")))) < 20_000


def test_a_group_that_an_earlier_release_stored_has_lost_nothing_of_its_history() -> None:
    house = House()
    group = noted(house.group(house.tell("Old", "a")), Text("it began"))
    stored = encoded(group).replace(b'"said_before":0,', b"")
    assert decoded(stored) == group
