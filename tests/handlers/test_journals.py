"""A restore's journal: what was written first holds, and what cannot be read is not guessed at."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from handlers.core.backups.journals import Decision, Journal, Kept, kept, unclosed
from handlers.core.ports import LiveCollection
from handlers.core.words.answers import JobId, Plan, TargetName
from handlers.core.words.errors import Damage
from handlers.core.words.jobs import Job, JobState
from tests.fakes import FakeClock, Faults, MemoryStore, someone
from tests.handlers.test_manifests import spec

SHOP = TargetName("shop")
JOB = JobId("abcdefghijkl")
PLACE = f"v1/shop/restores/{JOB}"
UNTIL = datetime(2026, 11, 25, 3, tzinfo=UTC)
OLD, NEW = LiveCollection(spec("orders"), "uuid 1"), LiveCollection(spec("orders", 9), "uuid 2")
GO = Decision(go=True, old=(OLD,), new=(NEW,), staged="n_abcdefgh_", blocked=True)
NO = Decision(go=False)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(FakeClock(), Faults())


@pytest.fixture
def journal(store: MemoryStore) -> Journal:
    return Journal(store, SHOP, JOB)


def job() -> Job:
    plan = Plan("restore.run", SHOP, {"backup": "x"}, someone(), "C0OPS", UNTIL.isoformat(), "n")
    return Job(JOB, plan, JobState.RUNNING, UNTIL)


def test_a_journal_that_was_never_begun_says_nothing(journal: Journal) -> None:
    assert (journal.intent(), journal.decision(), journal.kept(), journal.is_back) == (None, None, None, False)


def test_the_intent_gives_the_job_back_so_that_its_card_can_be_found(journal: Journal, store: MemoryStore) -> None:
    journal.intend(job())
    journal.intend(job())
    assert Journal(store, SHOP, JOB).intent() == job()


@pytest.mark.parametrize(("first", "second"), [(GO, NO), (NO, GO)])
def test_whoever_decides_second_gets_what_the_first_decided(
    store: MemoryStore, first: Decision, second: Decision
) -> None:
    assert Journal(store, SHOP, JOB).decide(first) == first
    assert Journal(store, SHOP, JOB).decide(second) == first
    assert Journal(store, SHOP, JOB).decision() == first


@pytest.mark.parametrize("switched", [True, False])
def test_how_a_switch_ended_is_written_once(journal: Journal, switched: bool) -> None:
    assert journal.conclude(switched) is switched
    assert journal.conclude(not switched) is switched


def test_that_the_old_data_is_back_is_known_once_it_was_written(journal: Journal, store: MemoryStore) -> None:
    assert not journal.is_back
    journal.put_back()
    assert Journal(store, SHOP, JOB).is_back


def test_what_is_kept_is_so_until_it_is_gone(journal: Journal, store: MemoryStore) -> None:
    journal.keep("shop", UNTIL)
    assert kept(store, SHOP) == (journal.kept(),) == (Kept(JOB, "shop", UNTIL),)
    journal.gone()
    assert journal.kept() is None
    assert kept(store, SHOP) == ()


def test_only_what_was_begun_and_not_closed_is_to_be_looked_after(journal: Journal, store: MemoryStore) -> None:
    journal.decide(NO)
    assert unclosed(store, SHOP) == ()
    journal.intend(job())
    assert unclosed(store, SHOP) == (JOB,)
    journal.close()
    assert unclosed(store, SHOP) == ()


DECIDED = {"go": True, "old": [], "new": [], "staged": "", "blocked": False}
READERS: dict[str, Callable[[Journal], object]] = {
    "intent": Journal.intent,
    "decision": Journal.decision,
    "outcome": lambda journal: journal.conclude(switched=True),
    "kept": Journal.kept,
}


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("intent", b"{"),
        ("intent", b"[]"),
        ("intent", b"{}"),
        ("intent", b'{"job":{}}'),
        ("intent", b'{"job":[]}'),
        ("decision", b"null"),
        ("decision", b"{}"),
        ("decision", json.dumps({**DECIDED, "old": 3}).encode()),
        ("decision", json.dumps({**DECIDED, "new": [{"spec": {"name": "orders"}, "uuid": "u"}]}).encode()),
        ("outcome", b"\xff"),
        ("outcome", b"{}"),
        ("outcome", b'{"switched":"yes"}'),
        ("kept", b"{}"),
        ("kept", b'{"database":"shop","until":"soon"}'),
        ("kept", b'{"database":"shop","until":3}'),
    ],
)
def test_a_record_that_cannot_be_read_is_named_and_somebody_must_look(
    journal: Journal, store: MemoryStore, name: str, stored: bytes
) -> None:
    store.put_new(f"{PLACE}/{name}.json", stored)
    with pytest.raises(Damage) as caught:
        READERS[name](journal)
    assert str(caught.value.text) == f"The journal {PLACE}/{name} cannot be read. Somebody must look."


@pytest.mark.parametrize(
    ("name", "act"),
    [
        ("decision", lambda journal: journal.decide(GO)),
        ("outcome", lambda journal: journal.conclude(switched=True)),
    ],
)
def test_what_vanishes_as_soon_as_it_was_written_is_not_acted_upon(
    journal: Journal, store: MemoryStore, name: str, act: Callable[[Journal], object]
) -> None:
    store.faults.meanwhile("store.put_new", 1, lambda: store.delete(f"{PLACE}/{name}.json"))
    with pytest.raises(Damage, match=f"{name} cannot be read"):
        act(journal)


def test_a_place_that_was_kept_without_a_word_is_damage_for_whoever_lists_it(store: MemoryStore) -> None:
    store.put_new(f"{PLACE}/kept.json", b"{}")
    with pytest.raises(Damage, match="kept cannot be read"):
        kept(store, SHOP)
