"""Books of channels: every group of alerts has one place, and no storm floods a channel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bot.slack.mrkdwn import mrkdwn
from handlers.core.alerts import books
from handlers.core.alerts.alert_cards import SHOWN_GROUPS, shared_card
from handlers.core.alerts.books import (
    CALM,
    MOST_MEMBERS,
    Book,
    Member,
    Shared,
    decoded,
    encoded,
    marked,
    rank,
    sorted_in,
)
from handlers.core.alerts.groups import SEVERITIES, Alert, Group
from handlers.core.words.cards import Tone

START = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
THRESHOLD = 5
SECOND = timedelta(seconds=1)


def group(severity: str = "warning", *, over: bool = False, serial: int = 0, first: datetime = START) -> Group:
    labels = {"alertname": "Slow", "severity": severity}
    alert = Alert(labels, {}, "", first, first + SECOND if over else None)
    return Group("default", "slack", labels, first, first, {"a": alert}, serial=serial)


GROUPS = st.builds(group, st.sampled_from(SEVERITIES), over=st.booleans(), serial=st.integers(0, 2))
ARRIVALS = st.lists(
    st.tuples(
        st.integers(0, 90),
        st.dictionaries(st.sampled_from("abcdefghijkl"), GROUPS, max_size=9),
        st.booleans(),
    ),
    max_size=8,
)


def pending(book: Book, now: datetime) -> int:
    return sum(1 for own in book.own.values() if now - own.at < CALM)


@given(ARRIVALS)
def test_every_changed_group_is_afterwards_in_exactly_one_place(
    arrivals: list[tuple[int, Mapping[str, Group], bool]],
) -> None:
    book, now = Book(), START
    for seconds, changed, shown in arrivals:
        now += seconds * SECOND
        book, given = sorted_in(book, changed, now, THRESHOLD)
        members = book.shared.members if book.shared is not None and book.shared.ended is None else {}
        past = book.shared.members if book.shared is not None and book.shared.ended == now else {}
        for name, each in changed.items():
            own = book.holds(name, each.serial)
            assert own != (name in members or (name in past and not past[name].firing))
        for name in given:
            book = marked(book, name) if shown else book


@given(ARRIVALS)
def test_never_more_new_cards_a_minute_than_the_threshold(
    arrivals: list[tuple[int, Mapping[str, Group], bool]],
) -> None:
    book, now = Book(), START
    for seconds, changed, shown in arrivals:
        now += seconds * SECOND
        book, given = sorted_in(book, changed, now, THRESHOLD)
        assert pending(book, now) <= THRESHOLD
        for name in given:
            book = marked(book, name) if shown else book


@given(st.lists(st.sampled_from(SEVERITIES), min_size=THRESHOLD + 1, max_size=15))
def test_the_worst_get_the_cards_that_are_left(severities: list[str]) -> None:
    changed = {f"g{number}": group(severity) for number, severity in enumerate(severities)}
    book, given = sorted_in(Book(), changed, START, THRESHOLD)
    assert book.shared is not None
    assert len(given) == THRESHOLD
    worst_shared = min(rank(each.severity) for each in book.shared.members.values())
    assert max(rank(changed[each].severity) for each in given) <= worst_shared


def storm(count: int = 9) -> tuple[Book, dict[str, Group]]:
    changed = {f"g{number}": group() for number in range(count)}
    book, given = sorted_in(Book(), changed, START, THRESHOLD)
    for name in given:
        book = marked(book, name)
    return book, {name: each for name, each in changed.items() if name not in given}


def test_a_storm_ends_a_minute_after_the_last_group_and_what_still_fires_gets_its_own_card() -> None:
    book, left = storm()
    over = dict.fromkeys(list(left)[:2], group(over=True))
    book, given = sorted_in(book, over, START + 59 * SECOND, THRESHOLD)
    assert (given, book.stormy) == ((), True)
    book, given = sorted_in(book, {}, START + 60 * SECOND, THRESHOLD)
    assert set(given) == set(left) - set(over)
    assert not book.stormy
    assert all(book.holds(name, 0) for name in given)


def test_a_storm_goes_on_while_many_still_fire_or_something_is_added() -> None:
    book, left = storm()
    book, given = sorted_in(book, {}, START + 600 * SECOND, THRESHOLD)
    assert (given, book.stormy) == ((), True)
    over = dict.fromkeys(left, group(over=True))
    book, given = sorted_in(book, {**over, "new": group()}, START + 601 * SECOND, THRESHOLD)
    assert (given, book.stormy) == ((), True)
    book, given = sorted_in(book, {}, START + 661 * SECOND, THRESHOLD)
    assert given == ("new",)


def test_an_old_member_that_fires_again_counts_against_the_threshold() -> None:
    book, _ = sorted_in(Book(), {"old": group(over=True)}, START, THRESHOLD)
    now = START + 61 * SECOND
    fresh = {f"g{number}": group() for number in range(THRESHOLD)}
    book, given = sorted_in(book, {"old": group(), **fresh}, now, THRESHOLD)
    assert len(given) <= THRESHOLD


def test_a_group_over_before_its_card_was_posted_is_handed_to_the_shared_card() -> None:
    book, given = sorted_in(Book(), {"a": group()}, START, THRESHOLD)
    assert given == ("a",)
    book = books.handed_over(book, "a", group(over=True), START)
    assert not book.own
    assert book.shared is not None
    assert list(book.shared.members) == ["a"]


@given(ARRIVALS)
def test_a_book_reads_back_as_it_was_kept(arrivals: list[tuple[int, Mapping[str, Group], bool]]) -> None:
    book, now = Book(), START
    for seconds, changed, _ in arrivals:
        now += seconds * SECOND
        book, _ = sorted_in(book, changed, now, THRESHOLD)
        assert books.decoded(books.encoded(book)) == book


def test_a_group_that_flaps_before_it_is_posted_makes_no_storm() -> None:
    book, _ = sorted_in(Book(), {"flaps": group(over=True)}, START, THRESHOLD)
    book, given = sorted_in(book, {"flaps": group()}, START + SECOND, THRESHOLD)
    assert given == ("flaps",)
    book, given = sorted_in(book, {"new": group("critical")}, START + 2 * SECOND, THRESHOLD)
    assert (given, book.stormy) == (("new",), False)


def test_what_is_critical_gets_its_own_card_also_in_a_storm_as_far_as_the_threshold_allows() -> None:
    book, _ = storm()
    later = START + 61 * SECOND
    many = {f"new{number}": group() for number in range(9)}
    book, given = sorted_in(book, {"bad": group("critical"), **many}, later, THRESHOLD)
    assert (given, book.stormy) == (("bad",), True)
    worse = {f"bad{number}": group("critical") for number in range(9)}
    book, given = sorted_in(book, worse, later + SECOND, THRESHOLD)
    assert len(given) == THRESHOLD - 1


def test_a_shared_card_leads_to_a_groups_own_card_or_else_to_what_its_alerts_name_and_never_by_a_hostile_address() -> (
    None
):
    pages = {"a": "https://grafana.example/d/1", "b": "javascript:alert(1)", "c": "https://x.example/" + "y" * 400}
    fired = {}
    for name, page in pages.items():
        alert = Alert({"alertname": name, "severity": "warning"}, {"dashboard_url": page}, "", START)
        fired[name] = Group("default", "slack", {"alertname": name}, START, START, {name: alert})
    book, _ = sorted_in(Book(), fired, START, 0)
    assert books.decoded(books.encoded(book)) == book
    assert book.shared is not None
    drawn = "\n".join(mrkdwn(line, 3000) for line in shared_card(book.shared).lines)
    assert "<https://grafana.example/d/1|grafana.example>" in drawn
    assert "<javascript" not in drawn
    assert "javascript" in drawn
    assert "x.example" not in drawn
    book = books.placed(book, "a", "https://shop.slack.com/archives/C1/p2")
    assert books.decoded(books.encoded(book)) == book
    assert book.shared is not None
    drawn = "\n".join(mrkdwn(line, 3000) for line in shared_card(book.shared).lines)
    assert "<https://shop.slack.com/archives/C1/p2|its card>" in drawn
    assert "grafana" not in drawn


def words(book: Book) -> tuple[str, list[str]]:
    """What the shared card says."""
    assert book.shared is not None
    card = shared_card(book.shared)
    return str(card.title), [str(each) for each in card.lines]


def test_an_address_that_is_none_is_shown_as_it_stands() -> None:
    alert = Alert({"alertname": "Slow", "severity": "warning"}, {"dashboard_url": "https://[broken"}, "", START)
    fired = Group("default", "slack", {}, START, START, {"a": alert})
    book, _ = sorted_in(Book(), {"a": fired}, START, 0)
    _, (line,) = words(book)
    assert line.endswith(" · https://[broken")


def test_a_shared_card_that_everything_left_says_where_it_went() -> None:
    book, _ = sorted_in(Book(), {"flaps": group(over=True)}, START, THRESHOLD)
    assert words(book)[0] == "1 groups of alerts fired and are over"
    book, _ = sorted_in(book, {"flaps": group()}, START + SECOND, THRESHOLD)
    assert words(book) == ("What was listed here fires again and has its own card", [])


def test_groups_beyond_what_a_shared_card_holds_are_counted_while_they_fire_and_afterwards() -> None:
    book, left = storm(THRESHOLD + SHOWN_GROUPS + 4)
    title, lines = words(book)
    assert title == f"Many alerts: {SHOWN_GROUPS + 4} groups, {SHOWN_GROUPS + 4} alerts firing"
    assert (len(lines), lines[-1]) == (SHOWN_GROUPS + 1, "+4 more groups firing")
    book, _ = sorted_in(book, dict.fromkeys(left, group(over=True)), START + SECOND, THRESHOLD)
    title, lines = words(book)
    assert title == f"{SHOWN_GROUPS + 4} groups of alerts fired and are over"
    assert (len(lines), lines[-1]) == (SHOWN_GROUPS + 1, "+4 more")
    assert all(each.startswith("✓ Slow") for each in lines[:-1])


def test_a_shared_card_of_groups_that_may_still_fire_is_not_green() -> None:
    told, cut = group(over=True), replace(group(over=True), hidden=2)
    book, _ = sorted_in(Book(), {"told": told, "cut": cut}, START, THRESHOLD)
    book = decoded(encoded(book))
    assert book.shared is not None
    card = shared_card(book.shared)
    assert card.tone is Tone.UNKNOWN
    assert str(card.title) == "2 groups of alerts fired and are over, as far as told"
    assert [str(line)[0] for line in card.lines] == ["?", "✓"]
    book, _ = sorted_in(book, {"cut": told}, START + SECOND, THRESHOLD)
    assert book.shared is not None
    assert shared_card(book.shared).tone is Tone.GOOD


def test_a_book_that_is_full_forgets_what_is_over_and_nothing_that_fires() -> None:
    past, firing = Member("Slow", "warning", 0, START), Member("Slow", "warning", 1, START)
    members = {f"over{at}": past for at in range(3)} | {f"g{at}": firing for at in range(MOST_MEMBERS - 3)}
    full = Book(shared=Shared(START, START, members, storm=True))
    book, given = sorted_in(full, {"new": group(), "newer": group()}, START + SECOND, THRESHOLD)
    assert given == ()
    assert book.shared is not None
    assert len(book.shared.members) == MOST_MEMBERS
    assert {*members, "new", "newer"} - set(book.shared.members) == {"over0", "over1"}
    more = {f"more{at}": group() for at in range(3)}
    book, _ = sorted_in(book, more, START + 2 * SECOND, THRESHOLD)
    assert book.shared is not None
    assert len(book.shared.open) == MOST_MEMBERS + 2, "all that fires is counted, however much it is"
    assert len(book.shared.members) == MOST_MEMBERS + 2
