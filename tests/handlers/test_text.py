"""Text: values stay apart from the sentence, and nothing in them can pretend to be something else."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from handlers.core.words.text import (
    VALUE_LIMIT,
    Bytes,
    Code,
    Lines,
    Person,
    Seconds,
    Text,
    cleaned,
    plain,
    spelled_bytes,
    spelled_seconds,
    spelled_time,
)

HOSTILE = st.text(alphabet=st.characters(), max_size=2 * VALUE_LIMIT)
HIDDEN = {"Cc", "Cs", "Co", "Cn", "Zl", "Zp"}


def test_a_sentence_and_its_values_become_a_line() -> None:
    text = Text("{who} saved {size} of {what} in {time}, {count} times",
                who=Person("U0SARA"), size=Bytes(1500), what=Code("shop"), time=Seconds(200), count=1234)  # fmt: skip
    assert str(text) == "U0SARA saved 1.5 kB of shop in 3 min 20 s, 1,234 times"


@given(HOSTILE)
def test_a_value_is_never_read_as_a_template(value: str) -> None:
    text = Text("<{value}>", value=value + "{value}{other}")
    assert text.fill(str) == f"<{value}{{value}}{{other}}>"


def test_a_name_without_a_value_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="size"):
        Text("{size} of {name}", name="x")


def test_texts_are_equal_when_their_words_and_values_are() -> None:
    assert Text("{a}", a=1) == Text("{a}", a=1)
    assert Text("{a}", a=1) != Text("{a}", a=2)
    assert Text("{a}", a=1) != Text("{a}!", a=1)


def test_the_values_of_a_text_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        Text("{a}", a=1).values["a"] = 2  # type: ignore[index]


@given(HOSTILE)
@example("a\u202eb\u2066c\u2069\u200f\ufeff")
@example("\x1b[31mred\x07\r\nnext\u2028line\u2029\x85")
def test_a_cleaned_value_is_one_short_line_in_which_nothing_is_hidden(value: str) -> None:
    shown = cleaned(value)
    assert len(shown) <= VALUE_LIMIT
    assert len(shown.splitlines()) <= 1
    assert not {character for character in shown if unicodedata.category(character) in HIDDEN}
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c\ufeff")
    assert cleaned(shown) == shown


@pytest.mark.parametrize("value", ["", "shop", "سلام دنیا", "می‌خواهم", "naïve — 日本語 🙂", "`*_~<@U1>&|"])
def test_ordinary_words_of_every_language_stay_as_they_are(value: str) -> None:
    assert cleaned(value) == value


def test_what_was_left_out_is_marked() -> None:
    assert cleaned("x" * VALUE_LIMIT) == "x" * VALUE_LIMIT
    assert cleaned("x" * 40_000) == "x" * (VALUE_LIMIT - 1) + "…"


@given(HOSTILE)
def test_every_kind_of_value_with_words_in_it_is_cleaned(value: str) -> None:
    assert plain(value) == plain(Person(value)) == plain(Code(value)) == plain(Text("{v}", v=value)) == cleaned(value)


def test_lines_are_cleaned_one_by_one() -> None:
    assert plain(Lines("first\x1b[0m\nsecond\u202e\n")) == "first\ufffd[0m\nsecond\ufffd"


@pytest.mark.parametrize("value", [None, 1.5, b"bytes", ["list"], object()])
def test_what_is_not_a_value_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        plain(value)


@pytest.mark.parametrize(
    ("count", "spelled"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (9949, "9.9 kB"), (9950, "10 kB"), (12_000_000, "12 MB"),
     (999_499, "999 kB"), (999_500, "1.0 MB"), (3_400_000_000, "3.4 GB"), (5 * 10**15, "5,000 TB")],
)  # fmt: skip
def test_a_size_is_spelled_with_the_digits_that_matter(count: int, spelled: str) -> None:
    assert spelled_bytes(count) == spelled


@given(st.integers(0, 10**18))
def test_a_spelled_size_is_within_one_part_in_eighteen_of_the_size(count: int) -> None:
    number, unit = spelled_bytes(count).split(" ")
    factor = {"B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}[unit]
    assert float(number.replace(",", "")) * factor == pytest.approx(count, rel=1 / 18)


@pytest.mark.parametrize(
    ("count", "spelled"),
    [(-3, "0 s"), (0.44, "0.4 s"), (12, "12 s"), (59.7, "1 min"), (60, "1 min"), (200, "3 min 20 s"),
     (3600, "1 h"), (7500, "2 h 5 min"), (172_799, "47 h 59 min"), (172_800, "2 days"), (400_000, "4 days")],
)  # fmt: skip
def test_a_duration_is_spelled_for_people(count: float, spelled: str) -> None:
    assert spelled_seconds(count) == spelled


@given(st.floats(0, 10**7))
def test_a_spelled_duration_is_close_to_the_duration(count: float) -> None:
    units = {"s": 1, "min": 60, "h": 3600, "days": 86_400}
    found = re.findall(r"([\d.]+) (s|min|h|days)", spelled_seconds(count))
    assert found
    told = sum(float(number) * units[unit] for number, unit in found)
    assert abs(told - count) <= {"s": 1, "min": 60, "days": 86_400}[found[-1][1] if found[-1][1] != "h" else "min"]


def test_a_time_is_spelled_in_utc() -> None:
    moment = datetime(2026, 11, 24, 6, 42, 7, tzinfo=timezone(timedelta(hours=3, minutes=30)))
    assert spelled_time(moment) == plain(moment) == "2026-11-24 03:12:07 UTC"
    assert spelled_time(moment.astimezone(UTC)) == spelled_time(moment)


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        spelled_time(datetime(2026, 11, 24))  # noqa: DTZ001 this is what is refused
