"""The last good version of a runbook's file survives a restart, a broken file, a folder that is gone, an upgrade."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handlers.core.runbooks.library import Library
from handlers.core.runbooks.shelves import StoredSpares
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text
from handlers.steps import SHAPES
from tests.fakes import FakeClock, MemoryState
from tests.handlers.test_runbooks import STEP, Files, runbook

GOOD = runbook({**STEP, "with": {"status": 200, "within": 1.5}, "on_failure": "continue"}, answers=[{"a": "/b|ü/"}])
BROKEN = runbook({**STEP, "kind": "shell"})
NO_YAML = Refusal(Text("it.yaml, line 3: not YAML."))


@pytest.fixture
def state() -> MemoryState:
    return MemoryState(FakeClock())


def started(state: MemoryState, **files: object) -> tuple[Library, Files]:
    shelf = Files(**files)
    return Library(shelf, SHAPES, StoredSpares(state)), shelf


@pytest.mark.parametrize("broken", [BROKEN, NO_YAML, {}], ids=["a wrong kind", "no YAML", "empty"])
def test_a_bot_that_starts_with_a_broken_file_serves_the_last_good_one_and_says_what_is_wrong(
    state: MemoryState, broken: object
) -> None:
    good = started(state, it=GOOD)[0].find("it")
    library, shelf = started(state, it=broken)
    assert library.find("it") == good
    assert library.find("it").version == good.version
    assert library.problems()["it"]
    shelf.files["it"] = runbook()
    assert library.find("it") != good
    assert library.problems() == {}
    assert started(state, it=broken)[0].find("it").title == "It"
    assert started(state, it=broken)[0].find("it") != good


def test_a_folder_that_cannot_be_read_at_the_start_leaves_everything_that_was_good(state: MemoryState) -> None:
    good = started(state, it=GOOD, other=runbook())[0].runbooks()
    library, shelf = started(state)
    shelf.away = True
    assert library.runbooks() == good
    assert "folder" in library.problems()


def test_a_file_that_is_gone_is_gone_also_when_a_broken_one_takes_its_name(state: MemoryState) -> None:
    library, shelf = started(state, it=GOOD)
    library.find("it")
    del shelf.files["it"]
    assert library.runbooks() == {}
    with pytest.raises(Refusal, match="cannot be used"):
        started(state, it=BROKEN)[0].find("it")


def test_one_that_served_by_its_last_good_version_alone_can_be_taken_away_too(state: MemoryState) -> None:
    started(state, it=GOOD)[0].find("it")
    library, shelf = started(state, it=BROKEN)
    library.find("it")
    del shelf.files["it"]
    assert library.runbooks() == {}
    assert state.keys("runbook:") == ()


def test_what_was_good_is_judged_anew_by_a_bot_that_knows_other_kinds(state: MemoryState) -> None:
    started(state, it=GOOD)[0].find("it")
    fewer = {name: shape for name, shape in SHAPES.items() if name != "http"}
    with pytest.raises(Refusal, match="cannot be used"):
        Library(Files(it=BROKEN), fewer, StoredSpares(state)).find("it")
    guarded = {**SHAPES, "http": replace(SHAPES["http"], arguments={})}
    with pytest.raises(Refusal, match="cannot be used"):
        Library(Files(it=BROKEN), guarded, StoredSpares(state)).find("it")


def test_without_the_state_the_files_serve_and_are_kept_when_it_is_back(state: MemoryState) -> None:
    state.away = True
    library, _ = started(state, it=GOOD)
    good = library.find("it")
    broken, _ = started(state, it=BROKEN)
    with pytest.raises(Refusal, match="cannot be used"):
        broken.find("it")
    state.away = False
    library.runbooks()
    assert broken.find("it") == good


def test_a_file_that_is_gone_while_the_state_is_away_is_forgotten_when_it_is_back(state: MemoryState) -> None:
    library, shelf = started(state, it=GOOD)
    library.find("it")
    state.away = True
    del shelf.files["it"]
    assert library.runbooks() == {}
    state.away = False
    library.runbooks()
    assert state.keys("runbook:") == ()
    with pytest.raises(Refusal, match="cannot be used"):
        started(state, it=BROKEN)[0].find("it")


def test_of_two_bots_that_see_that_a_file_is_gone_the_second_one_drops_nothing(state: MemoryState) -> None:
    bots = [started(state, it=GOOD, other=GOOD) for _ in range(2)]
    for library, shelf in bots:
        library.find("it")
        del shelf.files["it"]
    assert [list(library.runbooks()) for library, _ in bots] == [["other"]] * 2
    assert state.keys("runbook:") == ("runbook:other",)


def test_with_neither_folder_nor_state_there_is_no_runbook_and_that_is_said(state: MemoryState) -> None:
    started(state, it=GOOD)[0].find("it")
    library, shelf = started(state)
    shelf.away = state.away = True
    assert library.runbooks() == {}
    assert library.problems() == {"folder": ("The folder is gone.",)}
    state.away = False
    assert list(library.runbooks()) == ["it"]


def test_a_file_that_does_not_change_is_written_once(state: MemoryState) -> None:
    library, _ = started(state, it=GOOD)
    for _ in range(5):
        library.runbooks()
    assert state.writes == 1
