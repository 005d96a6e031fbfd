"""The fakes keep their ports' promises where no real thing stands beside them, and go wrong only as they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.formats.manifests import CollectionKind, CollectionSpec, DumpEvidence, incomplete
from handlers.core.ports import (
    ArtifactStore,
    Audit,
    Clock,
    Command,
    CommandResult,
    Database,
    Entropy,
    Factors,
    People,
    Queue,
    State,
)
from handlers.core.words.answers import PersonId
from handlers.core.words.audit import AuditEvent
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.text import Text
from tests.fake_database import FIRST, ID_INDEX, EveryName, FakeCommand, FakeDatabase
from tests.fakes import (
    FakeClock,
    FakeEntropy,
    FakeFactors,
    FakePeople,
    Faults,
    Killed,
    MemoryAudit,
    MemoryQueue,
    MemoryState,
    MemoryStore,
    someone,
)

SARA = PersonId("U0SARA")
TTL = '{"key":{"at":{"$numberInt":"1"}},"name":"at_1","expireAfterSeconds":{"$numberInt":"60"}}'
UNIQUE = '{"key":{"sku":{"$numberInt":"1"}},"name":"sku_1","unique":true}'
VIEW = CollectionSpec("cheap", CollectionKind.VIEW, '{"pipeline":[],"viewOn":"items"}', (), 0)
SERIES = CollectionSpec("weather", CollectionKind.TIMESERIES, '{"timeseries":{"timeField":"t"}}', (TTL,), 2)


def shop(faults: Faults | None = None) -> FakeDatabase:
    database = FakeDatabase("shop", faults)
    database.add("items", [{"_id": number, "sku": f"s{number}"} for number in range(30)], indexes=[UNIQUE])
    database.add("sessions", [{"_id": 1}], indexes=[TTL])
    database.add("empty")
    database.add("cheap", kind=CollectionKind.VIEW, options=VIEW.options)
    database.add(
        "weather", [{"_id": "b1"}, {"_id": "b2"}], kind=CollectionKind.TIMESERIES, options=SERIES.options, indexes=[TTL]
    )
    return database


def dumped(database: FakeDatabase) -> tuple[list[bytes], DumpEvidence]:
    with database.dump() as dump:
        pieces = list(iter(dump.read, b""))
        return pieces, dump.evidence()


# The type checker holds every fake to its port; this is where it looks.
_clock = FakeClock()
STATE: State = MemoryState(_clock)
STORE: ArtifactStore = MemoryStore(_clock)
QUEUE: Queue = MemoryQueue()
AUDIT: Audit = MemoryAudit()
PEOPLE: People = FakePeople()
FACTORS: Factors = FakeFactors()
DATABASE: Database = FakeDatabase()
COMMAND: Command = FakeCommand()
CLOCK: Clock = _clock
ENTROPY: Entropy = FakeEntropy()


# -- clock, entropy ----------------------------------------------------------------------------------------------------


def test_a_clock_moves_when_told_and_when_somebody_sleeps() -> None:
    clock = FakeClock()
    before, then = clock.now(), clock.monotonic()
    clock.advance(10)
    clock.sleep(5)
    assert clock.now() - before == timedelta(seconds=15)
    assert clock.monotonic() - then == 15
    assert clock.now().utcoffset() == timedelta(0)


def test_tokens_are_base32_and_their_first_six_characters_differ() -> None:
    entropy = FakeEntropy()
    tokens = [entropy.token(length) for length in (1, 6, 12, 26, 60) for _ in range(3)]
    assert [len(token) for token in tokens] == [length for length in (1, 6, 12, 26, 60) for _ in range(3)]
    assert set("".join(tokens)) <= set("abcdefghijklmnopqrstuvwxyz234567")
    assert len({FakeEntropy(seed).token(12)[:6] for seed in range(200)}) == 200
    assert len({entropy.token(12)[:6] for _ in range(200)}) == 200
    assert FakeEntropy(3).token(12) == FakeEntropy(3).token(12)


# -- faults ------------------------------------------------------------------------------------------------------------


def test_a_call_fails_before_its_effect_once() -> None:
    faults = Faults()
    state = MemoryState(FakeClock(), faults)
    faults.fail("state.put_if", 2)
    assert state.put_if("a", b"", None) is not None
    with pytest.raises(OutsideError):
        state.put_if("b", b"", None)
    assert state.keys("") == ("a",)
    assert state.put_if("b", b"", None) is not None


def test_a_call_fails_after_its_effect() -> None:
    faults = Faults()
    store = MemoryStore(FakeClock(), faults)
    faults.fail("store.put_new", after=True)
    with pytest.raises(OutsideError):
        store.put_new("a/b", b"there")
    assert store.get("a/b") == b"there"


def test_a_call_fails_with_what_the_test_chose() -> None:
    faults = Faults()
    faults.fail("factors.get", error=OutsideError(Text("chosen"), permanent=True))
    with pytest.raises(OutsideError) as raised:
        FakeFactors(faults).get(SARA, "T")
    assert raised.value.permanent


def test_a_failed_commit_that_shows_something_cannot_be_planned() -> None:
    with pytest.raises(ValueError, match="promise"):
        Faults().fail("upload.commit", after=True)


def test_a_killed_process_does_nothing_more_until_another_goes_on() -> None:
    faults, clock = Faults(), FakeClock()
    state, store = MemoryState(clock, faults), MemoryStore(clock, faults)
    faults.kill(nth=2, after=True)
    state.put_if("a", b"", None)
    with pytest.raises(Killed):
        store.put_new("b", b"")
    for call in (lambda: state.get("a"), lambda: store.get("b"), lambda: store.delete("b")):
        with pytest.raises(Killed):
            call()
    faults.revive()
    assert state.keys("") == ("a",)
    assert store.get("b") == b""


def test_a_kill_is_no_failure_that_anybody_could_catch() -> None:
    assert not issubclass(Killed, Exception)


# -- store -------------------------------------------------------------------------------------------------------------


def test_an_upload_is_seen_when_it_is_committed_and_not_before() -> None:
    store = MemoryStore(FakeClock())
    upload = store.open_write("a/data")
    upload.write(b"one ")
    upload.write(b"two")
    assert store.get("a/data") is None
    assert store.list("") == ()
    upload.commit()
    assert store.get("a/data") == b"one two"
    assert [(each.key, each.size_bytes) for each in store.list("a/")] == [("a/data", 7)]
    assert store.open_uploads == []


def test_an_aborted_upload_leaves_nothing_and_may_be_aborted_again() -> None:
    store = MemoryStore(FakeClock())
    upload = store.open_write("a")
    upload.write(b"x")
    upload.abort()
    upload.abort()
    assert store.open_uploads == []
    for call in (upload.commit, lambda: upload.write(b"more")):
        with pytest.raises(OutsideError):
            call()
    assert store.get("a") is None


def test_an_abort_that_cannot_remove_leaves_it_to_the_sweep_and_does_not_raise() -> None:
    faults, clock = Faults(), FakeClock()
    store = MemoryStore(clock, faults)
    upload = store.open_write("a/b")
    faults.fail("upload.abort")
    upload.abort()
    assert store.sweep(clock.now(), "a") == 0
    clock.advance(1)
    assert store.sweep(clock.now(), "other") == 0
    assert store.sweep(clock.now(), "a") == 1
    assert store.open_uploads == []


def test_a_swept_upload_cannot_be_committed() -> None:
    clock = FakeClock()
    store = MemoryStore(clock)
    upload = store.open_write("a")
    clock.advance(1)
    assert store.sweep(clock.now()) == 1
    with pytest.raises(OutsideError):
        upload.commit()
    assert store.get("a") is None


def test_nothing_is_overwritten() -> None:
    store = MemoryStore(FakeClock())
    assert store.put_new("a", b"first")
    assert not store.put_new("a", b"second")
    upload = store.open_write("a")
    upload.write(b"third")
    with pytest.raises(OutsideError) as raised:
        upload.commit()
    assert raised.value.permanent
    assert store.get("a") == b"first"


def test_an_artifact_is_read_in_pieces_and_one_that_is_not_there_is_an_error() -> None:
    store = MemoryStore(FakeClock())
    data = bytes(3 * (1 << 20) // 2)
    store.put_new("a", data)
    pieces = list(store.read("a"))
    assert b"".join(pieces) == data
    assert [len(piece) for piece in pieces] == [1 << 20, 1 << 19]
    with pytest.raises(OutsideError) as raised:
        list(store.read("b"))
    assert raised.value.permanent
    store.delete("a")
    store.delete("a")
    assert store.get("a") is None


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "../a", "a/..", ".hidden", "a b", "a\n"])
def test_what_is_not_a_key_is_refused(key: str) -> None:
    with pytest.raises(OutsideError):
        MemoryStore(FakeClock()).put_new(key, b"")


def test_a_deaf_store_keeps_nothing_that_it_should_lock() -> None:
    clock = FakeClock()
    store = MemoryStore(clock, lock_mode="COMPLIANCE")
    until = clock.now() + timedelta(days=1)
    store.put_new("there", b"")
    store.deaf = True
    upload = store.open_write("a", lock_until=until)
    for touch in (
        upload.commit,
        lambda: store.put_new("b", b"", lock_until=until),
        lambda: store.extend_lock("there", "", until),
    ):
        with pytest.raises(OutsideError, match="is not locked"):
            touch()
    assert [each.key for each in store.list("")] == ["there"]


def test_a_lock_ends_by_the_clock_of_the_store() -> None:
    clock = FakeClock()
    store = MemoryStore(clock, lock_mode="COMPLIANCE")
    store.put_new("a", b"", lock_until=clock.now() + timedelta(days=1))
    with pytest.raises(OutsideError, match="is locked until"):
        store.delete("a")
    store.ahead = timedelta(days=2)
    assert store.moment() == clock.now() + timedelta(days=2)
    store.delete("a")
    assert store.list("") == ()


# -- factors, audit ----------------------------------------------------------------------------------------------------


def test_a_code_belongs_to_its_person_and_its_step_or_the_one_before() -> None:
    factors, clock = FakeFactors(), FakeClock()
    factors.add("U0SARA")
    sara, now = factors.get(SARA, "T"), int(clock.now().timestamp()) // 30
    assert sara is not None
    for step, expected in ((now + 1, None), (now, now), (now - 1, now - 1), (now - 2, None)):
        assert factors.matching_step(sara, "T", factors.code("U0SARA", step), clock.now()) == expected
    assert factors.matching_step(sara, "T", factors.code("U0RASA", now), clock.now()) is None
    assert factors.get(PersonId("U0OMID"), "T") is None


def test_a_factor_is_marked_by_whoever_saw_it_last() -> None:
    factors = FakeFactors()
    factors.add("U0SARA")
    seen = factors.get(SARA, "T")
    assert seen is not None
    marked = factors.mark(seen, "T", used=True, locked=False)
    assert marked == replace(seen, used=True, version=marked.version if marked else 0)
    assert factors.mark(seen, "T", used=False, locked=True) is None
    assert factors.get(SARA, "T") == marked
    factors.damaged.add("U0SARA")
    with pytest.raises(Damage):
        factors.get(SARA, "T")


def test_an_audit_that_is_away_keeps_nothing() -> None:
    audit = MemoryAudit(away=True)
    with pytest.raises(OutsideError):
        audit.write(AuditEvent("event", "allow", someone()))
    assert audit.events == []


# -- database ----------------------------------------------------------------------------------------------------------


def test_collections_are_listed_by_name_with_their_definitions() -> None:
    listed = shop().collections(count=True)
    assert [(each.spec.name, each.spec.documents) for each in listed] == [
        ("cheap", 0), ("empty", 0), ("items", 30), ("sessions", 1), ("weather", 2),
    ]  # fmt: skip
    assert listed[0].uuid == ""
    assert len({each.uuid for each in listed}) == 5
    assert listed[2].spec.indexes == (ID_INDEX, UNIQUE)
    assert [each.spec.documents for each in shop().collections(prefix="it")] == [0]


def test_facts_count_everything_and_a_cluster_is_refused() -> None:
    database = shop()
    facts = database.facts()
    assert (facts.database, facts.documents, facts.collections) == ("shop", 33, 5)
    assert facts.data_bytes > 0
    database.mongos = True
    with pytest.raises(Refusal):
        database.facts()


def test_a_dump_is_whole_and_loads_beside_what_is_live() -> None:
    database = shop()
    before = database.content()
    pieces, evidence = dumped(database)
    assert len(pieces) > 3
    assert incomplete(evidence) is None
    assert evidence.raw_bytes == evidence.stored_bytes == sum(map(len, pieces))
    loaded = database.load(iter(pieces), "new_", EveryName("cheap"))
    assert (loaded.return_code, loaded.restored, loaded.failed) == (0, 33, 0)
    after = database.content()
    assert {name: each for name, each in after.items() if not name.startswith("new_")} == before
    assert sorted(name for name in after if name.startswith("new_")) == [
        "new_empty", "new_items", "new_sessions", "new_weather",
    ]  # fmt: skip
    assert after["new_items"][3] == before["items"][3]
    assert after["new_items"][2] == (ID_INDEX,)
    assert database.running_tools == 0


def test_a_dump_shows_what_was_there_when_it_began() -> None:
    database = shop()
    with database.dump() as dump:
        database.drop("items")
        pieces = list(iter(dump.read, b""))
    other = FakeDatabase()
    assert other.load(pieces, "", EveryName()).restored == 33


@given(st.integers(0, 10_000), st.booleans())
def test_an_archive_that_is_cut_or_damaged_never_loads_to_its_end(position: int, flipped: bool) -> None:
    archive = b"".join(dumped(shop())[0])
    position %= len(archive) - 1
    broken = archive[:position] if not flipped else archive[:position] + b"\x00" + archive[position + 1 :]
    assert FakeDatabase().load([broken], "", EveryName()).return_code == 1


def test_a_load_over_what_is_there_fails_on_the_first_double() -> None:
    database = shop()
    pieces, _ = dumped(database)
    before = database.content()
    loaded = database.load(pieces, "", EveryName())
    assert (loaded.return_code, loaded.failed) == (1, 1)
    assert database.content() == before


def test_what_the_pieces_raise_goes_through_a_load() -> None:
    database = shop()

    def pieces() -> Iterator[bytes]:
        yield dumped(shop())[0][0]
        raise Damage(Text("chosen"))

    with pytest.raises(Damage):
        database.load(pieces(), "new_", EveryName())
    assert database.running_tools == 0


def test_evidence_can_be_what_a_test_wants_to_see() -> None:
    database = shop()
    database.seen_by_dump = lambda seen: replace(seen, return_code=137)
    database.seen_by_load = lambda seen: replace(seen, failed=7)
    pieces, evidence = dumped(database)
    assert incomplete(evidence) is not None
    assert database.load(pieces, "new_", EveryName()).failed == 7


def test_a_rename_keeps_the_uuid_and_never_replaces() -> None:
    database = shop()
    uuid = database.there["items"].uuid
    database.rename("items", "old_items")
    assert "items" not in database.there
    assert database.there["old_items"].uuid == uuid
    for name, to in (("old_items", "empty"), ("nothing", "x"), ("cheap", "x"), ("weather", "x")):
        before = database.content()
        with pytest.raises(OutsideError):
            database.rename(name, to)
        assert database.content() == before


def test_indexes_that_expire_wait_until_they_get_their_age() -> None:
    database = shop()
    database.add("new")
    database.create_indexes("new", [ID_INDEX, TTL, UNIQUE], expire=False)
    database.create_indexes("new", [ID_INDEX, TTL, UNIQUE], expire=False)
    assert len(database.there["new"].indexes) == 3
    assert TTL not in database.there["new"].indexes
    database.set_expiry("new", [ID_INDEX, TTL, UNIQUE])
    database.set_expiry("new", [ID_INDEX, TTL, UNIQUE])
    assert database.there["new"].indexes == [ID_INDEX, TTL, UNIQUE]
    with pytest.raises(OutsideError):
        database.create_indexes("new", [UNIQUE.replace("true", "false")], expire=True)


def test_a_view_is_made_once_and_only_as_it_was() -> None:
    database = shop()
    database.create_view(VIEW)
    database.drop("cheap")
    database.drop("cheap")
    database.create_view(VIEW)
    assert database.content() == shop().content()
    for spec in (replace(VIEW, options="{}"), replace(VIEW, name="items")):
        with pytest.raises(OutsideError):
            database.create_view(spec)


def test_a_time_series_is_copied_anew_as_often_as_one_likes() -> None:
    database = shop()
    for _ in range(2):
        database.copy_timeseries(SERIES, "weather", "copy")
    copy, series = database.there["copy"], database.there["weather"]
    assert (copy.documents, copy.options, copy.indexes) == (series.documents, series.options, [TTL])
    assert copy.uuid != series.uuid
    with pytest.raises(OutsideError):
        database.copy_timeseries(SERIES, "items", "copy")


Act = Callable[[FakeDatabase], object]


@pytest.mark.parametrize(
    ("call", "act"),
    [
        ("database.piece", dumped),
        ("database.line", lambda database: database.load(dumped(shop())[0], "new_", EveryName())),
        ("database.bucket", lambda database: database.copy_timeseries(SERIES, "weather", "copy")),
        ("database.evidence", dumped),
    ],
)
def test_a_process_can_end_inside_every_long_step(call: str, act: Act) -> None:
    faults = Faults()
    database = shop(faults)
    faults.kill(call)
    with pytest.raises(Killed):
        act(database)
    faults.revive()
    act(database)


# -- command -----------------------------------------------------------------------------------------------------------


def test_a_command_takes_beats_and_says_how_it_ended() -> None:
    beats: list[int] = []
    command = FakeCommand("npm run migrate:up", CommandResult(3, "no"), during=lambda: beats.append(-1), beats=2)
    assert command.run(map(beats.append, range(10))) == CommandResult(3, "no")
    assert beats == [0, 1, -1]
    with pytest.raises(OutsideError):
        FakeCommand().run()


def test_what_a_beat_raises_goes_through_a_command() -> None:
    command = FakeCommand("x", during=lambda: pytest.fail("it ran to its end"))

    def beat() -> Iterator[None]:
        yield None
        raise Refusal(Text("chosen"))

    with pytest.raises(Refusal):
        command.run(beat())


# -- oplog -------------------------------------------------------------------------------------------------------------


def test_a_slice_around_a_dump_leads_to_its_end() -> None:
    database = shop()
    with database.tail(None) as tail:
        with database.dump() as dump:
            packed = [tail.read()]
            database.write("items", {"_id": 3, "sku": "new"})
            database.remove("items", 4)
            database.create("late")
            moment = database.write("late", {"_id": 1})
            archive, evidence = list(iter(dump.read, b"")), dump.evidence()
        database.discard("empty")
        packed.append(tail.finish(through=database.now()))
        seen = tail.evidence()
    assert (seen.start, seen.end, seen.entries) == (tail.start, database.now(), 5)
    assert database.load(archive, "s_", EveryName("cheap")).return_code == 0
    replayed = database.replay([packed], "s_", evidence.announced, names=EveryName())
    assert (replayed.entries, replayed.last) == (5, seen.end)
    for name in ("items", "late"):
        assert database.content()["s_" + name][3] == database.content()[name][3]
    assert "s_empty" not in database.there
    assert [spec.name for spec in replayed.specs] == ["cheap", "items", "late", "sessions", "weather"]
    again = database.replay([packed], "s_", evidence.announced, names={"late"}, until=moment)
    assert (again.entries, again.last) == (2, moment)


def test_there_is_no_slice_of_a_single_server_nor_over_a_gap() -> None:
    database = shop()
    database.write("items", {"_id": 1})
    database.oldest = database.now()
    with pytest.raises(Damage), database.tail(FIRST):
        pass
    database.deployment = ""
    with pytest.raises(Refusal), database.tail(None):
        pass
    with pytest.raises(Refusal):
        database.now()


def test_a_fake_slice_can_be_damaged() -> None:
    with pytest.raises(Damage):
        shop().replay([[b"{"]], "s_", (), names=EveryName())
