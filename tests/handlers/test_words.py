"""What people type: every word that means nothing gets a short sentence and changes nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.backup import BackupHandler
from handlers.core.backups.catalogue import Catalogue
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.keeping import Keeping
from handlers.core.door.records import Jobs
from handlers.core.ports import Target
from handlers.core.restores.drills import Laboratory
from handlers.core.restores.restorations import Restorations
from handlers.core.words.answers import Confirm, Invocation, Reply, Start, TargetName
from handlers.core.words.errors import Refusal
from handlers.restore import RestoreHandler
from tests.fake_database import FakeScratch
from tests.fakes import FakeClock, MemoryState, MemoryStore, someone

HOSTILE = [
    "\x00\x07\x1b[31m",
    "\u202egnp.exe",
    "<!channel>",
    "<@U0SARA|click>",
    "*bold* `code` ~x~",
    "$(rm -rf /)",
    "; drop",
    "{'$gt': ''}",
    "../../etc/passwd",
    "20261124t000000z-aaaaaa/../x",
    "%2e%2e",
    "latest\n",
    "پشتیبان",
    "x" * 40_000,
]


class Untouched:
    """A database that nobody may touch."""

    name = "shop"

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"{name} was asked of the database")


class House:
    """Both commands over an empty store."""

    def __init__(self) -> None:
        clock = FakeClock()
        self.store, self.state = MemoryStore(clock), MemoryState(clock)
        untouched: Any = Untouched()
        shop = TargetName("shop")
        targets = {shop: Target(shop, untouched, self.store, untouched)}
        catalogues = {shop: Catalogue(shop, self.store)}
        keeping = Keeping(Holdings(targets, catalogues, clock), self.state, clock)
        self.handlers: dict[str, BackupHandler | RestoreHandler] = {
            "backup": BackupHandler(targets, catalogues, Jobs(self.state), clock, keeping, Laboratory(FakeScratch())),
            "restore": RestoreHandler(Restorations(targets, catalogues, clock)),
        }

    def ask(self, command: str, *words: str) -> Reply | Start | Confirm:
        return self.handlers[command].ask(Invocation(command, words, someone(), "C0OPS"))


@pytest.fixture
def house() -> House:
    return House()


def refusal(house: House, command: str, *words: str) -> str:
    with pytest.raises(Refusal) as caught:
        house.ask(command, *words)
    assert house.store.list("") == ()
    assert house.state.keys("") == ()
    return str(caught.value)


@pytest.mark.parametrize("word", HOSTILE)
@pytest.mark.parametrize(
    ("command", "before"),
    [
        ("backup", ()),
        ("backup", ("show",)),
        ("backup", ("now",)),
        ("backup", ("verify",)),
        ("backup", ("drill",)),
        ("restore", ()),
        ("restore", ("latest",)),
    ],
)
def test_hostile_words_get_a_short_sentence_and_change_nothing(
    house: House, command: str, before: tuple[str, ...], word: str
) -> None:
    said = refusal(house, command, *before, word)
    assert 0 < len(said) < 500
    assert said.isprintable() or "\N{REPLACEMENT CHARACTER}" in said
    assert "\u202e" not in said
    assert "\x1b" not in said


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=4), st.sampled_from(["backup", "restore"]))
def test_no_words_break_a_handler(words: list[str], command: str) -> None:
    house = House()
    with suppress(Refusal):
        assert isinstance(house.ask(command, *words), Reply | Start)


@pytest.mark.parametrize("words", [(), ("help",)])
def test_backup_explains_itself(house: House, words: tuple[str, ...]) -> None:
    answer = house.ask("backup", *words)
    assert isinstance(answer, Reply)
    assert any("/backup now" in str(line) for line in answer.card.lines)


def test_restore_without_backups_says_how_to_make_one(house: House) -> None:
    answer = house.ask("restore")
    assert isinstance(answer, Reply)
    assert "/backup now" in str(answer.card.lines[0])


def test_latest_without_backups_says_how_to_make_one(house: House) -> None:
    assert "/backup now" in refusal(house, "restore", "latest")


def test_no_backup_at_all_is_not_shown_as_well(house: House) -> None:
    answer = house.ask("backup", "status")
    assert isinstance(answer, Reply)
    assert answer.card.tone.value == "bad"


def test_a_damaged_manifest_is_shown_and_not_skipped(house: House) -> None:
    house.store.put_new("v1/shop/full/2026/11/24/20261124t000000z-aaaaaa/manifest.json", b"{}")
    answer = house.ask("backup", "list")
    assert isinstance(answer, Reply)
    assert answer.card.tone.value == "bad"
    assert "Damaged" in str(answer.card.lines[0])


@pytest.mark.parametrize("word", ["list", "status"])
def test_a_backup_that_somebody_hid_is_shown_with_a_warning(house: House, word: str) -> None:
    key = "v1/shop/full/2026/11/24/20261124t000000z-aaaaaa/data.archive.zst"
    house.store.put_new(key, b"data")
    house.store.hide(key)
    answer = house.ask("backup", word)
    assert isinstance(answer, Reply)
    assert f"Still there, but somebody hid it by a delete marker or a later version: {key}" in map(
        str, answer.card.lines
    )
    assert answer.card.tone.value in {"bad", "warning"}


def test_many_hidden_ones_do_not_fill_the_card(house: House) -> None:
    for number in range(30):
        key = f"v1/shop/full/2026/11/24/20261124t000000z-aaaaaa/{number}"
        house.store.put_new(key, b"")
        house.store.hide(key)
    answer = house.ask("backup", "list")
    assert isinstance(answer, Reply)
    assert len(answer.card.lines) <= 12
    assert "20 more were hidden" in str(answer.card.lines[-1])
