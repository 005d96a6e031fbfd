"""Restores, undos and moments over fakes: whatever stops them, wherever, the data is the old or the new, and whole.

- `Scene` is a shop with a backup and data that went on since; every call of every fake is a place to be killed.
- After a kill another process looks at what is true (`recover`), itself killed at any call, until one comes through.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from handlers.backup import BackupHandler
from handlers.core.backups.catalogue import Catalogue
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.keeping import Keeping
from handlers.core.door.records import Jobs
from handlers.core.formats.manifests import CollectionKind
from handlers.core.ports import OpenFiles, Target
from handlers.core.restores.drills import Laboratory
from handlers.core.restores.handles import SPARE, files_of
from handlers.core.restores.restorations import Restorations
from handlers.core.restores.switches import RESERVED
from handlers.core.words.answers import Confirm, Invocation, JobId, Plan, Reply, Start, TargetName
from handlers.core.words.digests import Json
from handlers.core.words.errors import Damage, OutsideError, Problem, Refusal
from handlers.core.words.jobs import Job, JobState, Outcome, Progress
from handlers.core.words.text import Text
from handlers.restore import RestoreHandler
from tests.fake_database import FakeCommand, FakeDatabase, FakeScratch
from tests.fakes import FakeClock, FakeEntropy, Faults, Killed, MemoryState, MemoryStore, someone

SHOP = TargetName("shop")
TTL = '{"expireAfterSeconds":{"$numberInt":"60"},"key":{"at":{"$numberInt":"1"}},"name":"at_1"}'


class Telling:
    """Work that tells nobody. `cancelled`: at the next check."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self.cancelled: Problem | None = None
        self.notes: list[str] = []

    @property
    def job(self) -> Job:
        return self._job

    def check(self) -> None:
        if self.cancelled is not None:
            raise self.cancelled

    def progress(self, progress: Progress) -> None:
        """Nobody asks."""

    def note(self, note: Text) -> None:
        self.notes.append(str(note))

    def record(self, event: str, **facts: Json) -> None:
        """Nobody reads it."""

    def settle(self) -> None:
        self.check()


class Scene:
    """A shop, a backup of it, and what happened since."""

    def __init__(self, *, keep_hours: int = 24, migrate: str = "", blocks_writes: bool = False) -> None:
        self.faults, self.clock, self.entropy = Faults(), FakeClock(), FakeEntropy()
        self.database = FakeDatabase("shop", self.faults)
        self.store = MemoryStore(self.clock, self.faults)
        self.command = FakeCommand(migrate, faults=self.faults)
        self.targets = {SHOP: Target(SHOP, self.database, self.store, self.command)}
        self._given: dict[str, Any] = {"keep_hours": keep_hours, "blocks_writes": blocks_writes}
        self.plant()
        self.backup = self.made_backup()
        self.saved = self.content()
        self.clock.advance(3600)
        self.live_on()
        self.live = self.content()

    def plant(self) -> None:
        add = self.database.add
        add("orders", [{"_id": n, "n": n} for n in range(4)])
        add("sessions", [{"_id": n, "at": n} for n in range(2)], indexes=[TTL])
        add("weather", [{"_id": n, "bucket": n} for n in range(2)], kind=CollectionKind.TIMESERIES)
        add("cheap", kind=CollectionKind.VIEW, options='{"pipeline":[],"viewOn":"orders"}')
        add("old", [{"_id": 1}])

    def live_on(self) -> None:
        there = self.database.there
        there["orders"].documents = [{"_id": 1, "n": "changed"}, {"_id": 9, "n": 9}]
        there["weather"].documents.append({"_id": 7, "bucket": 7})
        self.database.drop("old")
        self.database.add("new", [{"_id": 5}])
        self.database.drop("cheap")
        self.database.add("dear", kind=CollectionKind.VIEW, options='{"pipeline":[1],"viewOn":"orders"}')

    def handlers(self) -> tuple[BackupHandler, RestoreHandler]:
        """What another process builds: it knows only what is stored."""
        catalogues = {SHOP: Catalogue(SHOP, self.store)}
        state = MemoryState(self.clock)
        jobs, keeping = Jobs(state), Keeping(Holdings(self.targets, catalogues, self.clock), state, self.clock)
        restorations = Restorations(self.targets, catalogues, self.clock)
        return (
            BackupHandler(self.targets, catalogues, jobs, self.clock, keeping, Laboratory(FakeScratch(self.faults))),
            RestoreHandler(restorations, **self._given),
        )

    def content(self) -> Mapping[str, Any]:
        """What an application sees."""
        return {name: each for name, each in self.database.content().items() if not name.startswith(RESERVED)}

    def kept(self) -> list[str]:
        return [name for name in self.database.there if name.startswith(RESERVED)]

    def job(self, command: str, *words: str) -> Job:
        """A job as the desk would make it. Raises Refusal."""
        handler = self.handlers()[command == "restore"]
        answer = handler.ask(Invocation(command, words, someone(), "C0OPS"))
        assert isinstance(answer, Confirm | Start), answer
        draft = answer.draft
        now = self.clock.now()
        plan = Plan(draft.operation, draft.target, draft.arguments, someone(), "C0OPS", now.isoformat(), "n")
        return Job(JobId(self.entropy.token(12)), plan, JobState.RUNNING, now)

    def made_backup(self) -> str:
        outcome = self.handlers()[0].run(Telling(self.job("backup", "now")))
        return str(outcome.facts["backup"])

    def run(self, job: Job) -> Outcome:
        """As the desk does: after a failure it is asked what is true."""
        handler = self.handlers()[1]
        try:
            return handler.run(Telling(job))
        except Problem as problem:
            return handler.recover(job, problem.text)

    def restored(self, *words: str) -> Job:
        job = self.job("restore", *words)
        outcome = self.run(job)
        assert outcome.state is JobState.DONE, outcome
        return replace(job, state=JobState.DONE, outcome=outcome)

    def recovered(self, job: Job) -> Outcome:
        return self.handlers()[1].recover(job, None)


def card_of(scene: Scene, job: Job) -> str:
    card = scene.handlers()[1].describe(job)
    return "\n".join(str(each) for each in (card.title, *card.lines, *(fact.value for fact in card.facts)))


# -- what a restore and its undo do -------------------------------------------------------------------------------


def test_a_restore_brings_the_backup_back_and_keeps_what_it_replaced() -> None:
    scene = Scene()
    done = scene.restored("latest")
    assert scene.content() == scene.saved
    assert scene.kept()
    assert scene.handlers()[1].describe(done).buttons[0].value == f"undo {done.id}"


def test_an_undo_brings_back_what_was_replaced_and_can_be_undone() -> None:
    scene = Scene()
    first = scene.restored("latest")
    second = scene.restored("undo", first.id)
    assert scene.content() == scene.live
    scene.restored("undo", second.id)
    assert scene.content() == scene.saved
    for gone in (first, second):
        with pytest.raises(Refusal, match="was undone already"):
            scene.job("restore", "undo", gone.id)


def test_what_was_added_after_the_restore_survives_its_undo() -> None:
    scene = Scene()
    done = scene.restored("latest")
    scene.database.add("migrated", [{"_id": 1}])
    scene.restored("undo", done.id)
    assert scene.content().keys() == scene.live.keys() | {"migrated"}


def test_an_undo_is_refused_when_its_time_is_over_and_then_tidied_away() -> None:
    scene = Scene()
    done = scene.restored("latest")
    assert isinstance(scene.handlers()[1].ask(Invocation("restore", ("tidy",), someone(), "C0OPS")), Reply)
    scene.clock.advance(24 * 3600 + 1)
    over = f"The time for undoing {done.id} is over, since .*`/restore` of backup .* brings back"
    with pytest.raises(Refusal, match=over):
        scene.job("restore", "undo", done.id)
    assert scene.run(scene.job("restore", "tidy")).state is JobState.DONE
    assert scene.kept() == []
    assert scene.content() == scene.saved
    with pytest.raises(Refusal, match=over):
        scene.job("restore", "undo", done.id)


def test_an_undo_says_the_backup_to_go_back_to_and_that_one_can_be_restored() -> None:
    scene = Scene()
    done = scene.restored("latest")
    scene.clock.advance(24 * 3600 + 1)
    with pytest.raises(Refusal) as refused:
        scene.job("restore", "undo", done.id)
    scene.restored(str(refused.value).split("backup ")[1].split()[0])
    assert scene.content() == scene.live


def test_an_undo_whose_time_was_none_says_that_and_names_the_backup() -> None:
    scene = Scene(keep_hours=0)
    done = scene.restored("latest")
    said = f"Nothing was kept of what {done.id} replaced: RESTORE_UNDO_HOURS was 0. `/restore` of backup "
    with pytest.raises(Refusal, match=re.escape(said)):
        scene.job("restore", "undo", done.id)


def test_an_undo_that_kept_nothing_says_so_and_knows_no_backup_of_what_it_replaced() -> None:
    scene = Scene()
    done = scene.restored("latest")
    scene._given["keep_hours"] = 0
    undone = scene.restored("undo", done.id)
    with pytest.raises(Refusal, match=r"RESTORE_UNDO_HOURS was 0\. `/restore` shows which backups there are\."):
        scene.job("restore", "undo", undone.id)
    with pytest.raises(Refusal, match=f"^{done.id} was undone already.$"):
        scene.job("restore", "undo", done.id)


def test_an_undo_of_what_was_never_switched_says_that_there_is_nothing() -> None:
    scene = Scene()
    job = scene.job("restore", "latest")
    scene.faults.fail("database.load", 1)
    scene.run(job)
    with pytest.raises(Refusal, match=r"nothing of .* to undo"):
        scene.job("restore", "undo", job.id)


@pytest.mark.parametrize("word", ["nobodys", "../../etc", "/", ".."])
def test_an_undo_of_a_job_that_nobody_knows_says_so_and_looks_at_no_other_key(word: str) -> None:
    scene = Scene()
    scene.restored("latest")
    with pytest.raises(Refusal, match=r"No restore .* is known"):
        scene.job("restore", "undo", word)


def test_an_undo_of_which_a_part_is_missing_is_damage_and_changes_nothing() -> None:
    scene = Scene()
    done = scene.restored("latest")
    job = scene.job("restore", "undo", done.id)
    scene.database.there.pop(next(name for name in scene.kept() if name.endswith("_orders")))
    outcome = scene.run(job)
    assert outcome.state is JobState.FAILED
    assert "orders" in str(outcome.text)
    assert scene.content() == scene.saved


def test_without_a_time_for_undo_nothing_is_kept() -> None:
    scene = Scene(keep_hours=0)
    done = scene.restored("latest")
    assert scene.kept() == []
    assert scene.handlers()[1].describe(done).buttons == ()


def test_only_the_named_collections_are_replaced() -> None:
    scene = Scene()
    done = scene.restored("latest", "only", "orders,sessions")
    assert scene.content() == {**scene.live, "orders": scene.saved["orders"], "sessions": scene.saved["sessions"]}
    scene.restored("undo", done.id)
    assert scene.content() == scene.live


def test_a_collection_that_the_backup_does_not_have_is_named() -> None:
    with pytest.raises(Refusal, match="no collection new"):
        Scene().job("restore", "latest", "only", "orders,new")


def test_a_restore_into_another_database_leaves_the_live_one_alone() -> None:
    scene = Scene(migrate="npm run migrate:up")
    job = scene.restored("latest", "into", "shop_copy")
    assert scene.content() == scene.live
    assert scene.database.sibling("shop_copy").content() == scene.saved
    # The command knows the live database only.
    assert scene.command.runs == 0
    assert scene.handlers()[1].describe(job).buttons == ()


def test_what_another_database_held_is_saved_and_can_be_undone() -> None:
    scene = Scene()
    other = scene.database.sibling("other")
    other.add("notes", [{"_id": 1}])
    before = other.content()
    done = scene.restored("latest", "into", "other")
    assert {name for name in other.content() if not name.startswith(RESERVED)} == scene.saved.keys()
    scene.restored("undo", done.id)
    assert {name: each for name, each in other.content().items() if not name.startswith(RESERVED)} == before


def test_a_plan_says_what_will_be_lost() -> None:
    scene = Scene()
    scene.database.written_since = {"orders": 12, "sessions": None}
    job = replace(scene.job("restore", "latest"), state=JobState.OFFERED)
    said = card_of(scene, job)
    assert "At least 12 documents are newer than this and will be lost: orders 12." in said
    assert "In sessions they could not be counted." in said
    assert "Not in the backup, so they will go away: dear, new." in said
    assert "not a copy of one moment" in said or "oplog" not in said


@pytest.mark.parametrize("free_bytes", [0, 10])
def test_a_restore_without_enough_room_is_refused(free_bytes: int) -> None:
    scene = Scene()
    scene.database.free_bytes = free_bytes
    with pytest.raises(Refusal, match="not enough room"):
        scene.job("restore", "latest")
    scene.database.free_bytes = 10**9
    scene.restored("latest")


def test_a_restore_for_which_mongodb_could_not_open_enough_files_is_refused() -> None:
    scene = Scene()
    live = [each.spec for each in scene.database.collections()]
    needs = 2 * files_of(live) + 3 + SPARE
    scene.database.open_files = OpenFiles(needs - 1, files_of(live), 3)
    with pytest.raises(Refusal, match=f"may hold {needs - 1} files open there, and this needs about {needs}: .*ulimit"):
        scene.job("restore", "latest")
    scene.job("restore", "latest", "only", "orders")
    scene.database.open_files = OpenFiles(needs, files_of(live), 3)
    scene.restored("latest")


def test_writes_are_blocked_during_the_switch_and_not_after_it() -> None:
    scene = Scene(blocks_writes=True)
    scene.restored("latest")
    assert "database.block_writes" in scene.faults.calls
    assert scene.database.blocked is False


def test_a_migration_that_fails_leaves_the_undo_to_the_person() -> None:
    scene = Scene(migrate="npm run migrate:up")
    scene.command.result = replace(scene.command.result, return_code=1)
    done = scene.restored("latest")
    assert done.outcome is not None
    assert "migration command failed" in str(done.outcome.text)
    assert scene.handlers()[1].describe(done).buttons[0].value == f"undo {done.id}"


@pytest.mark.parametrize(("code", "told"), [(0, "ended with 0"), (1, "ended with 1"), (None, "no answer in time")])
def test_how_a_migration_ended_is_told_in_the_thread(code: int | None, told: str) -> None:
    scene = Scene(migrate="npm run migrate:up")
    scene.command.result = replace(scene.command.result, return_code=code)
    work = Telling(scene.job("restore", "latest"))
    outcome = scene.handlers()[1].run(work)
    assert any("npm run migrate:up" in note and told in note for note in work.notes)
    assert outcome.facts["warning"] is (code != 0)
    assert ("migration command failed" in str(outcome.text)) == (code != 0)


def test_a_migration_that_could_not_run_is_a_warning_and_the_data_is_the_backups() -> None:
    scene = Scene(migrate="npm run migrate:up")
    scene.faults.fail("command.run")
    done = scene.restored("latest")
    assert done.outcome is not None
    assert done.outcome.facts["warning"] is True
    assert "The migration command did not run: command.run failed." in str(done.outcome.text)
    assert scene.content() == scene.saved


def test_only_what_was_kept_long_enough_is_tidied_away() -> None:
    scene = Scene()
    scene.restored("latest")
    scene.clock.advance(12 * 3600)
    later = scene.restored("latest")
    scene.clock.advance(13 * 3600)
    scene.restored("tidy")
    assert scene.kept()
    assert all(f"_{later.id[:8]}_" in name for name in scene.kept())
    before = scene.content()
    scene.restored("undo", later.id)
    assert scene.content() == before


def test_a_backup_without_an_oplog_is_restored_as_it_was_dumped() -> None:
    class Single(Scene):
        def plant(self) -> None:
            super().plant()
            self.database.deployment = ""

    scene = Single()
    work = Telling(scene.job("restore", "latest"))
    assert scene.handlers()[1].run(work).state is JobState.DONE
    assert scene.content() == scene.saved
    assert "Counts, options and indexes are as they must be." in work.notes
    assert not any("replayed" in note for note in work.notes)


def test_what_is_made_among_the_live_collections_while_a_backup_is_loaded_stops_the_restore() -> None:
    scene = Scene()
    job = scene.job("restore", "latest")
    scene.faults.meanwhile("database.load", 1, lambda: scene.database.add("another"))
    outcome = scene.run(job)
    assert outcome.state is JobState.FAILED
    assert "The live collections changed while the backup was loaded beside them." in str(outcome.text)
    assert scene.content().keys() == scene.live.keys() | {"another"}
    assert scene.kept() == []


@pytest.mark.parametrize(
    ("seen", "said"),
    [
        ({"return_code": 1, "failed": 3}, "Loading ended with 1, 3 documents failed."),
        ({"failed": 3}, "Loading ended with 0, 3 documents failed."),
        ({"restored": 8}, "8 documents were loaded; the backup holds 9."),
        (
            {"announced": frozenset({("orders", CollectionKind.COLLECTION)})},
            "The archive and the manifest do not name the same collections: cheap, old, sessions, weather.",
        ),
    ],
)
def test_a_load_that_is_not_what_was_saved_touches_nothing_live(seen: dict[str, Any], said: str) -> None:
    scene = Scene()
    scene.database.seen_by_load = lambda evidence: replace(evidence, **seen)
    outcome = scene.run(scene.job("restore", "latest"))
    assert outcome.state is JobState.FAILED
    assert str(outcome.text).startswith(said)
    assert scene.content() == scene.live
    assert scene.kept() == []


def test_a_plan_is_void_when_the_live_collections_changed() -> None:
    scene = Scene()
    job = scene.job("restore", "latest")
    scene.database.add("another")
    outcome = scene.run(job)
    assert "changed since you confirmed" in str(outcome.text)
    assert scene.content().keys() == scene.live.keys() | {"another"}


# -- kills at every call ----------------------------------------------------------------------------------------------


def points(scene: Scene, job: Job) -> int:
    """How many calls it makes when nothing goes wrong."""
    before = len(scene.faults.calls)
    scene.run(job)
    return len(scene.faults.calls) - before


def ended_somewhere(scene: Scene, job: Job, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Another process finds what is true; nothing half made is left, and its words are right."""
    scene.faults.revive()
    outcome = scene.recovered(job)
    assert outcome.state is JobState.INTERRUPTED
    found = scene.content()
    assert found in (old, new)
    said = str(outcome.text)
    if old != new:
        assert (found == new) == ("is the backup's" in said or "before the restore" in said)
    assert scene.database.blocked is False
    listing = Catalogue(SHOP, scene.store).listing()
    assert not listing.damaged
    whole = {each.data.key for each in listing.manifests} | {
        each.slice.stored.key for each in listing.manifests if each.slice is not None
    }
    assert {key for key in scene.store.artifacts if key.endswith(".zst") and "/full/" in key} == whole
    assert [upload for upload in scene.store.open_uploads if "/full/" in upload.key] == []
    if found == old and old != new:
        assert [name for name in scene.kept() if f"_{job.id[:8]}_" in name] == []


def every_kill(make: Any) -> Iterator[tuple[Scene, Job, int, bool]]:
    scene, job = make()
    count = points(scene, job)
    assert count > 5
    for number in range(1, count + 1):
        for after in (False, True):
            scene, job = make()
            scene.faults.kill("*", number, after=after)
            with pytest.raises(Killed):
                scene.run(job)
            yield scene, job, number, after


def test_a_restore_killed_at_any_call_ends_in_the_old_data_or_the_new() -> None:
    def make() -> tuple[Scene, Job]:
        scene = Scene(blocks_writes=True)
        return scene, scene.job("restore", "latest")

    seen = 0
    for scene, job, _, _ in every_kill(make):
        ended_somewhere(scene, job, scene.live, scene.saved)
        seen += 1
    assert seen > 150


def test_an_undo_killed_at_any_call_ends_in_the_old_data_or_the_new() -> None:
    def make() -> tuple[Scene, Job]:
        scene = Scene()
        done = scene.restored("latest")
        return scene, scene.job("restore", "undo", done.id)

    for scene, job, _, _ in every_kill(make):
        ended_somewhere(scene, job, scene.saved, scene.live)


def test_a_partial_restore_killed_at_any_call_touches_nothing_else() -> None:
    def make() -> tuple[Scene, Job]:
        scene = Scene()
        return scene, scene.job("restore", "latest", "only", "orders,weather")

    for scene, job, _, _ in every_kill(make):
        new = {**scene.live, "orders": scene.saved["orders"], "weather": scene.saved["weather"]}
        ended_somewhere(scene, job, scene.live, new)


def test_a_tidying_killed_at_any_call_is_finished_by_the_next() -> None:
    def make() -> tuple[Scene, Job]:
        scene = Scene()
        scene.restored("latest")
        scene.clock.advance(25 * 3600)
        return scene, scene.job("restore", "tidy")

    for scene, job, _, _ in every_kill(make):
        scene.faults.revive()
        assert scene.content() == scene.saved
        scene.recovered(job)
        scene.run(job)
        assert scene.kept() == []


def test_a_rescue_that_is_killed_at_any_call_is_finished_by_the_next() -> None:
    scene = Scene(blocks_writes=True)
    begun = scene.job("restore", "latest")
    total = points(scene, begun)
    for number in range(total // 2, total, 3):
        for rescue in range(1, 120):
            scene = Scene(blocks_writes=True)
            job = scene.job("restore", "latest")
            scene.faults.kill("*", number)
            with pytest.raises(Killed):
                scene.run(job)
            scene.faults.revive()
            scene.faults.kill("*", rescue)
            try:
                scene.recovered(job)
            except Killed:
                ended_somewhere(scene, job, scene.live, scene.saved)
            else:
                scene.faults.revive()
                assert scene.content() in (scene.live, scene.saved)
                break


def test_whatever_fails_once_ends_in_the_old_data_or_the_new() -> None:
    scene = Scene()
    total = points(scene, scene.job("restore", "latest"))
    for number in range(1, total + 1):
        scene = Scene()
        job = scene.job("restore", "latest")
        scene.faults.fail("*", number)
        try:
            scene.run(job)
        except OutsideError:
            scene.recovered(job)
        except Damage as damage:
            pytest.fail(f"{number}: {damage}")
        assert scene.content() in (scene.live, scene.saved)
        assert scene.database.blocked is False


class Late(Telling):
    """Work whose worker is taken for dead just before it decides."""

    def __init__(self, job: Job, rescue: Callable[[], object]) -> None:
        super().__init__(job)
        self._rescue = rescue

    def settle(self) -> None:
        self._rescue()


def test_a_worker_that_was_taken_for_dead_before_it_decided_switches_nothing() -> None:
    scene = Scene()
    job = scene.job("restore", "latest")
    with pytest.raises(OutsideError, match="Somebody else took this restore for dead and cleaned up"):
        scene.handlers()[1].run(Late(job, lambda: scene.recovered(job)))
    assert scene.content() == scene.live
    assert scene.kept() == []


def test_a_worker_whose_switch_was_taken_back_meanwhile_does_not_conclude_it() -> None:
    scene = Scene(blocks_writes=True)
    job = scene.job("restore", "latest")

    def rescue() -> None:
        assert scene.recovered(job).state is JobState.INTERRUPTED

    scene.faults.meanwhile("database.create_view", 1, rescue)
    outcome = scene.run(job)
    assert outcome.state is JobState.FAILED
    assert str(outcome.text).startswith("Somebody else put the old data back while this worker was switching.")
    assert "The live data is the old data again, complete." in str(outcome.text)
    assert scene.content() == scene.live
    assert scene.database.blocked is False


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("orders", "The old orders is neither in its place nor moved away."),
        ("weather", "The old weather is neither in its place nor copied."),
    ],
)
def test_old_data_that_is_nowhere_is_said_and_somebody_must_look(name: str, said: str) -> None:
    scene = Scene()
    job = scene.job("restore", "latest")
    scene.faults.kill("database.create_view")
    with pytest.raises(Killed):
        scene.run(job)
    scene.faults.revive()
    prefix = f"__old_{job.id[:8]}_"
    del scene.database.there[f"{prefix}{name}"]
    with pytest.raises(Damage, match=said):
        scene.recovered(job)
    assert {"new", f"{prefix}new"} & scene.database.there.keys()
    assert [each.id for each in scene.handlers()[1].lost()] == [job.id]


def test_an_age_is_only_given_after_the_switch() -> None:
    scene = Scene()
    scene.restored("latest")
    calls = scene.faults.calls
    assert calls.index("database.set_expiry") > max(n for n, call in enumerate(calls) if call == "database.rename")
