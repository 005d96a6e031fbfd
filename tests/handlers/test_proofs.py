"""Verify and drill: what they find, what they write down about it, and what follows from that."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from handlers.backup import BackupHandler
from handlers.core.backups.catalogue import Catalogue
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.keeping import Keeping
from handlers.core.door.approval import Gate
from handlers.core.door.desk import Began, Desk, Outside, Said
from handlers.core.door.records import Jobs
from handlers.core.formats.evidence import Check, Evidence, Standing, Verdict
from handlers.core.formats.manifests import CollectionKind, DumpEvidence, Manifest
from handlers.core.ports import LoadEvidence, OpenFiles, Target
from handlers.core.restores.drills import Laboratory
from handlers.core.restores.handles import SPARE
from handlers.core.restores.restorations import Restorations
from handlers.core.words.answers import Confirm, Invocation, JobId, Plan, Surface, TargetName
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.questions import Question
from handlers.core.words.text import Text
from handlers.restore import RestoreHandler
from tests.fake_database import FakeCommand, FakeDatabase, FakeScratch
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

SHOP = TargetName("shop")
UNIQUE = '{"key":{"sku":{"$numberInt":"1"}},"name":"sku_1","unique":true}'
TTL = '{"key":{"at":{"$numberInt":"1"}},"name":"at_1","expireAfterSeconds":{"$numberInt":"60"}}'


class House:
    """A shop with everything behind `/backup`, in memory."""

    def __init__(self) -> None:
        self.faults, self.clock = Faults(), FakeClock()
        self.store = MemoryStore(self.clock, self.faults)
        self.database = FakeDatabase("shop", self.faults)
        self.database.add("items", [{"_id": n, "sku": f"s{n}"} for n in range(20)], indexes=[UNIQUE])
        self.database.add("sessions", [{"_id": 1}], indexes=[TTL])
        self.database.add("cheap", kind=CollectionKind.VIEW, options='{"pipeline":[],"viewOn":"items"}')
        self.database.add("weather", [{"_id": "b1"}], kind=CollectionKind.TIMESERIES, options='{"timeseries":{}}')
        self.scratch, self.state = FakeScratch(self.faults), MemoryState(self.clock)
        self.catalogue = Catalogue(SHOP, self.store)
        self.questions: tuple[Question, ...] = ()
        self.entropy = FakeEntropy()
        self.desk = self.new_desk()

    def new_desk(self) -> Desk:
        """Another process, or other settings."""
        targets = {SHOP: Target(SHOP, self.database, self.store, FakeCommand())}
        laboratory = Laboratory(self.scratch, self.questions)
        keeping = Keeping(Holdings(targets, {SHOP: self.catalogue}, self.clock), self.state, self.clock)
        handler = BackupHandler(targets, {SHOP: self.catalogue}, Jobs(self.state), self.clock, keeping, laboratory)
        gate = Gate(self.state, FakeFactors(), self.clock, self.entropy)
        outside = Outside(self.state, MemoryQueue(), MemoryAudit(), FakePeople(), self.clock, self.entropy)
        return Desk({"backup": handler}, gate, outside)

    def ask(self, *words: str, surface: Surface = Surface.SLACK) -> Said | Began:
        return self.desk.ask(Invocation("backup", words, someone(surface=surface), "C0OPS"))

    def said(self, *words: str) -> Card:
        answer = self.ask(*words)
        assert isinstance(answer, Said)
        return answer.card

    def done(self, *words: str) -> Job:
        """A job, worked to its end."""
        answer = self.ask(*words)
        assert isinstance(answer, Began), answer
        self.desk.work(answer.job)
        self.clock.advance(5)
        return self.loaded(answer.job)

    def loaded(self, job: JobId) -> Job:
        found = self.desk.load(job)
        assert found is not None
        return found

    def backup(self) -> Manifest:
        """A new backup, a minute after the last."""
        self.clock.advance(60)
        assert self.done("now").state is JobState.DONE
        return self.catalogue.listing().manifests[0]

    def evidence(self) -> Evidence:
        """The newest receipt."""
        return self.catalogue.dossier.history().evidence[-1]

    def forge(self, manifest: Manifest) -> None:
        """Puts another manifest in the place of one."""
        key = manifest.data.key.rpartition("/")[0] + "/manifest.json"
        self.store.artifacts[key] = (manifest.to_bytes(), self.clock.now())
        self.catalogue = Catalogue(SHOP, self.store)
        self.desk = self.new_desk()

    def spoil(self, manifest: Manifest, how: Callable[[bytes], bytes]) -> None:
        """Changes the stored bytes of a backup."""
        data, at = self.store.artifacts[manifest.data.key]
        self.store.artifacts[manifest.data.key] = (how(data), at)


@pytest.fixture
def house() -> House:
    return House()


def words(job: Job) -> str:
    assert job.outcome is not None
    return str(job.outcome.text)


# -- verify --------------------------------------------------------------------------------------------------------


def test_a_good_backup_is_verified_to_level_two_and_that_is_written_down(house: House) -> None:
    manifest = house.backup()
    job = house.done("verify", manifest.id)
    assert job.state is JobState.DONE
    assert "SHA-256 fits" in words(job)
    evidence = house.evidence()
    assert (evidence.check, evidence.verdict, evidence.level) == (Check.SCRUB, Verdict.PASS, 2)
    assert (evidence.backup, evidence.by, evidence.documents) == (manifest.id, "U0SARA", 22)
    assert house.catalogue.dossier.standing(manifest.id).standing is Standing.GOOD


def flipped(data: bytes) -> bytes:
    return data[:-30] + bytes([data[-30] ^ 1]) + data[-29:]


@pytest.mark.parametrize(
    ("how", "level"), [(lambda data: data[:-1], 0), (flipped, 1), (lambda data: b"\xff" + data[1:], 1)]
)
def test_a_copy_that_is_not_what_was_written_fails_at_its_level(
    house: House, how: Callable[[bytes], bytes], level: int
) -> None:
    manifest = house.backup()
    house.spoil(manifest, how)
    job = house.done("verify", manifest.id)
    assert job.state is JobState.FAILED
    assert house.evidence().level == level
    assert house.catalogue.dossier.standing(manifest.id).standing is Standing.QUARANTINED


def test_bytes_that_changed_are_told_from_a_backup_made_wrong_though_both_do_not_unpack(house: House) -> None:
    house.database.add("big", [{"_id": n, "text": "x" * 400_000} for n in range(4)])
    manifest = house.backup()
    assert manifest.stored_bytes > 1 << 20
    house.spoil(manifest, lambda data: b"\xff" + data[1:])
    assert "SHA-256" in words(house.done("verify", manifest.id))
    assert house.evidence().level == 1


def test_a_file_that_is_gone_is_held_against_the_backup(house: House) -> None:
    manifest = house.backup()
    house.store.delete(manifest.data.key)
    assert "not there any more" in words(house.done("verify", manifest.id))
    assert house.evidence().verdict is Verdict.FAIL


def fewer(manifest: Manifest) -> Manifest:
    items = next(spec for spec in manifest.collections if spec.name == "items")
    others = tuple(spec for spec in manifest.collections if spec.name != "items")
    return replace(manifest, collections=(replace(items, documents=19), *others))


def unindexed(manifest: Manifest) -> Manifest:
    return replace(
        manifest, collections=tuple(replace(spec, indexes=spec.indexes[:1]) for spec in manifest.collections)
    )


def without(manifest: Manifest) -> Manifest:
    return replace(manifest, collections=tuple(spec for spec in manifest.collections if spec.name != "sessions"))


@pytest.mark.parametrize("other", [fewer, unindexed, without])
def test_an_archive_that_is_not_the_manifests_fails_at_level_two(
    house: House, other: Callable[[Manifest], Manifest]
) -> None:
    manifest = house.backup()
    house.forge(other(manifest))
    job = house.done("verify", manifest.id)
    assert "not the manifest's" in words(job)
    assert house.evidence().level == 2


def resealed(house: House, manifest: Manifest, data: bytes) -> None:
    """A backup that was made of these bytes: its checksum fits them."""
    house.store.artifacts[manifest.data.key] = (data, house.clock.now())
    stored = replace(manifest.data, sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))
    house.forge(replace(manifest, data=stored))


def test_a_backup_that_was_made_wrong_fails_though_its_checksum_fits(house: House) -> None:
    manifest = house.backup()
    whole = b"".join(house.store.read(manifest.data.key))
    resealed(house, manifest, b"nonsense")
    assert "not an archive" in words(house.done("verify", manifest.id))
    assert house.evidence().level == 2
    resealed(house, manifest, b"\n".join(whole.split(b"\n")[:-2]) + b"\n")
    assert "in the middle" in words(house.done("verify", manifest.id))
    resealed(house, manifest, b"\n".join(line for line in whole.split(b"\n") if b'"closed":"items"' not in line))
    assert "ends inside items" in words(house.done("verify", manifest.id))


def test_a_large_backup_that_was_made_wrong_is_read_to_its_end_before_that_is_said(house: House) -> None:
    manifest = house.backup()
    resealed(house, manifest, b"nonsense\n" * 400_000)
    job = house.done("verify", manifest.id)
    assert "not an archive" in words(job)
    assert house.evidence().level == 2
    assert house.faults.calls.count("store.piece") >= 4


def test_the_slice_is_read_too(house: House) -> None:
    manifest = house.backup()
    assert manifest.slice is not None
    key = manifest.slice.stored.key
    house.store.artifacts[key] = (b"another oplog", house.clock.now())
    job = house.done("verify", manifest.id)
    assert key in words(job)
    assert house.evidence().verdict is Verdict.FAIL


def test_what_could_not_be_read_is_not_held_against_the_backup(house: House) -> None:
    manifest = house.backup()
    house.faults.fail("store.piece")
    job = house.done("verify", manifest.id)
    assert job.state is JobState.FAILED
    assert "says nothing about the backup" in words(job)
    assert house.catalogue.dossier.history().evidence == ()


def test_verify_without_an_id_takes_the_one_checked_longest_ago(house: House) -> None:
    first, second, third = house.backup(), house.backup(), house.backup()
    taken = [house.done("verify").plan.arguments["backup"] for _ in range(4)]
    assert taken == [third.id, second.id, first.id, third.id]


@pytest.mark.parametrize("command", ["verify", "drill"])
def test_a_check_takes_a_backup_a_target_or_both(house: House, command: str) -> None:
    first, newest = house.backup(), house.backup()
    given = [("shop",), (first.id,), (first.id, "shop")]
    taken = [house.done(command, *each).plan.arguments["backup"] for each in given]
    assert taken == [newest.id, first.id, first.id]
    assert str(house.said(command, "latest", "elsewhere").title).startswith("There is no target elsewhere.")


def test_verify_without_any_backup_says_how_to_make_one(house: House) -> None:
    assert "/backup now" in str(house.said("verify").title)
    assert "/backup now" in str(house.said("drill").title)


# -- drill ---------------------------------------------------------------------------------------------------------


def test_a_drill_restores_elsewhere_and_writes_down_what_it_saw(house: House) -> None:
    manifest, before = house.backup(), house.database.content()
    job = house.done("drill")
    assert job.state is JobState.DONE, words(job)
    evidence = house.evidence()
    assert (evidence.check, evidence.verdict, evidence.level) == (Check.DRILL, Verdict.PASS, 3)
    assert evidence.backup == manifest.id
    assert set(evidence.hashes) == {"items", "sessions", "weather"}
    assert [name for name, _ in evidence.stages][:6] == ["read", "start", "load", "replay", "indexes", "compare"]
    assert house.database.content() == before
    assert (house.scratch.open_now, house.scratch.needed_bytes) == (0, [manifest.raw_bytes])


def test_the_time_until_the_data_could_be_used_is_told(house: House) -> None:
    house.backup()

    def slow(database: FakeDatabase) -> None:
        house.clock.advance(9)

    house.scratch.spoilt = slow
    job = house.done("drill")
    assert "after 9.0 s" in words(job)
    assert house.evidence().ready_seconds == 9
    assert any(str(fact.value) == "9.0 s" for fact in house.desk.card(job).facts)


def test_a_drill_for_which_the_scratch_server_could_not_open_enough_files_is_refused_and_says_nothing(
    house: House,
) -> None:
    house.backup()

    def small(database: FakeDatabase) -> None:
        database.open_files = OpenFiles(SPARE, 0, 1)

    house.scratch.spoilt = small
    job = house.done("drill")
    assert job.state is JobState.FAILED
    assert "files open there" in words(job)
    assert house.catalogue.dossier.history().evidence == ()
    assert house.scratch.open_now == 0


@pytest.mark.parametrize("other", [fewer, unindexed, without])
def test_a_drill_of_a_wrong_pair_fails_with_the_reason(house: House, other: Callable[[Manifest], Manifest]) -> None:
    manifest = house.backup()
    house.forge(other(manifest))
    job = house.done("drill")
    assert job.state is JobState.FAILED
    assert "not the manifest's" in words(job)
    assert (house.evidence().check, house.evidence().verdict) == (Check.DRILL, Verdict.FAIL)


def test_a_drill_of_a_damaged_copy_fails_at_level_one(house: House) -> None:
    house.spoil(house.backup(), flipped)
    assert "SHA-256" in words(house.done("drill"))
    assert (house.evidence().verdict, house.evidence().level) == (Verdict.FAIL, 1)


def test_a_second_drill_that_sees_other_documents_fails_loudly(house: House) -> None:
    manifest = house.backup()
    house.done("drill")

    class Forgetful(FakeDatabase):
        def hashes(self) -> dict[str, str]:
            return {**super().hashes(), "items": "0" * 32}

    def spoilt(database: FakeDatabase) -> None:
        database.__class__ = Forgetful

    house.scratch.spoilt = spoilt
    job = house.done("drill", manifest.id)
    assert job.state is JobState.FAILED
    assert "other documents in items" in words(job)
    assert house.catalogue.dossier.standing(manifest.id).standing is Standing.QUARANTINED
    house.scratch.spoilt = lambda database: None
    assert house.done("drill", manifest.id).state is JobState.DONE
    assert house.catalogue.dossier.standing(manifest.id).standing is Standing.GOOD


def test_hashes_of_another_version_of_mongodb_are_not_compared(house: House) -> None:
    manifest = house.backup()
    house.done("drill")
    first = house.evidence()
    key = next(artifact.key for artifact in house.store.list("v1/shop/evidence/"))
    old = replace(first, server="5.0.1", hashes=dict.fromkeys(first.hashes, "0" * 32))
    house.store.artifacts[key] = (old.to_bytes(), house.clock.now())
    house.catalogue = Catalogue(SHOP, house.store)
    house.desk = house.new_desk()
    assert house.done("drill", manifest.id).state is JobState.DONE


def test_documents_that_a_load_loses_fail_the_drill(house: House) -> None:
    house.backup()
    house.scratch.spoilt = lambda database: setattr(
        database, "seen_by_load", lambda seen: replace(seen, restored=seen.restored - 1)
    )
    assert "the backup holds 22" in words(house.done("drill"))
    assert (house.evidence().verdict, house.evidence().level) == (Verdict.FAIL, 3)


def extra(database: FakeDatabase) -> None:
    database.add("more", [{"_id": 1}])


def test_what_is_there_too_much_fails_the_drill(house: House) -> None:
    house.backup()
    house.scratch.spoilt = extra
    assert "more is there, but not in the backup" in words(house.done("drill"))


def test_what_differs_on_another_series_is_not_held_against_the_backup(house: House) -> None:
    manifest = house.backup()
    house.forge(replace(manifest, server="5.0.9"))
    house.scratch.spoilt = extra
    job = house.done("drill")
    assert job.state is JobState.FAILED
    assert house.evidence().verdict is Verdict.UNKNOWN
    assert house.catalogue.dossier.standing(manifest.id).standing is Standing.UNPROVED


@pytest.mark.parametrize("also", [frozenset(), frozenset({("more", CollectionKind.COLLECTION)})])
def test_an_archive_must_name_the_collections_of_the_manifest(
    house: House, also: frozenset[tuple[str, CollectionKind]]
) -> None:
    named = frozenset((spec.name, spec.kind) for spec in house.backup().collections)
    house.scratch.spoilt = lambda database: setattr(
        database, "seen_by_load", lambda seen: replace(seen, announced=named | also)
    )
    job = house.done("drill")
    assert job.state is (JobState.FAILED if also else JobState.DONE)
    assert ("do not name the same collections: more." in words(job)) == bool(also)


def test_a_definition_that_the_server_refuses_over_the_data_fails_the_drill(house: House) -> None:
    manifest = house.backup()
    house.faults.fail("database.create_indexes", error=OutsideError(Text("E11000 duplicate key."), permanent=True))
    assert "E11000" in words(house.done("drill"))
    assert house.evidence().verdict is Verdict.FAIL
    house.faults.fail("database.create_indexes", error=OutsideError(Text("MongoDB is silent.")))
    count = len(house.catalogue.dossier.history().evidence)
    assert "MongoDB is silent" in words(house.done("drill", manifest.id))
    assert len(house.catalogue.dossier.history().evidence) == count


def test_the_card_of_a_check_has_sizes_only_once_it_came_to_its_end(house: House) -> None:
    manifest = house.backup()
    house.faults.fail("store.piece")
    assert house.desk.card(house.done("verify", manifest.id)).facts == ()
    shown = {str(fact.label): str(fact.value) for fact in house.desk.card(house.done("verify", manifest.id)).facts}
    assert shown.keys() == {"Level", "Stored", "Data"}
    assert shown["Level"] == "2"


@pytest.mark.parametrize("call", ["scratch.open", "database.load", "database.hashes", "store.piece"])
def test_a_drill_that_could_not_end_says_nothing_and_leaves_nothing(house: House, call: str) -> None:
    manifest = house.backup()
    house.faults.fail(call)
    job = house.done("drill")
    assert job.state is JobState.FAILED
    assert f"{call} failed" in words(job)
    assert house.catalogue.dossier.history().evidence == ()
    assert house.catalogue.dossier.standing(manifest.id).standing is Standing.UNPROVED
    assert house.scratch.open_now == 0


def test_a_receipt_that_cannot_be_kept_is_no_success(house: House) -> None:
    house.backup()
    house.faults.fail("store.put_new")
    assert house.done("drill").state is JobState.FAILED


def test_a_drill_replays_the_slice_of_the_backup(house: House) -> None:
    def written_meanwhile(evidence: DumpEvidence) -> DumpEvidence:
        house.database.write("items", {"_id": 3, "sku": "changed"})
        house.database.write("items", {"_id": 99, "sku": "new"})
        return evidence

    house.database.seen_by_dump = written_meanwhile
    manifest = house.backup()
    assert manifest.slice is not None
    assert manifest.slice.entries == 2
    assert house.done("drill").state is JobState.DONE
    assert house.evidence().hashes == house.database.hashes()


def test_a_backup_without_an_oplog_is_drilled_as_it_was_dumped_and_reaches_no_moment(house: House) -> None:
    house.database.deployment = ""
    manifest = house.backup()
    assert manifest.slice is None
    job = house.done("drill")
    assert job.state is JobState.DONE
    assert "all 22 documents" in words(job)
    assert (house.evidence().verdict, house.evidence().moment) == (Verdict.PASS, None)


def test_what_was_dumped_is_counted_before_its_slice_is_replayed(house: House) -> None:
    manifest = house.backup()

    def lose_one(database: FakeDatabase) -> None:
        def lost(evidence: LoadEvidence) -> LoadEvidence:
            database.there["items"].documents.pop()
            return evidence

        database.seen_by_load = lost

    house.scratch.spoilt = lose_one
    job = house.done("drill", manifest.id)
    assert job.state is JobState.FAILED
    assert "items holds 19 documents, not 20" in words(job)


def test_a_drill_can_be_cancelled_and_leaves_nothing(house: House) -> None:
    house.backup()
    answer = house.ask("drill")
    assert isinstance(answer, Began)

    def cancel(database: FakeDatabase) -> None:
        house.desk.cancel(answer.job, someone())
        house.desk.beat()

    house.scratch.spoilt = cancel
    house.desk.work(answer.job)
    assert house.loaded(answer.job).state is JobState.CANCELLED
    assert house.scratch.open_now == 0
    assert house.catalogue.dossier.history().evidence == ()


# -- questions -----------------------------------------------------------------------------------------------------


def asking(house: House, *questions: Question) -> None:
    house.questions = questions
    house.desk = house.new_desk()


def test_a_question_that_is_answered_passes(house: House) -> None:
    house.backup()
    asking(house, Question("items", "[]", 20))
    job = house.done("drill")
    assert job.state is JobState.DONE
    assert [each.verdict for each in house.evidence().answers] == [Verdict.PASS]
    assert any("items: passed" in str(note) for note in job.notes)


def test_a_question_with_too_few_answers_fails_the_drill(house: House) -> None:
    manifest = house.backup()
    asking(house, Question("sessions"), Question("items", "[]", 21))
    job = house.done("drill")
    assert job.state is JobState.FAILED
    assert "about items" in words(job)
    assert [each.verdict for each in house.evidence().answers] == [Verdict.PASS, Verdict.FAIL]
    assert house.catalogue.dossier.standing(manifest.id).standing is Standing.QUARANTINED


def test_a_question_that_cannot_be_asked_is_unknown_and_never_green(house: House) -> None:
    manifest = house.backup()
    asking(house, Question("items"))
    house.faults.fail("database.holds")
    job = house.done("drill")
    assert job.state is JobState.FAILED
    assert house.evidence().verdict is Verdict.UNKNOWN
    assert house.catalogue.dossier.standing(manifest.id).standing is Standing.UNPROVED


# -- what follows --------------------------------------------------------------------------------------------------


def quarantined(house: House) -> Manifest:
    manifest = house.backup()
    house.spoil(manifest, flipped)
    house.done("verify", manifest.id)
    return manifest


def test_latest_is_never_a_quarantined_backup_and_says_which_it_passed_over(house: House) -> None:
    good, bad = house.backup(), quarantined(house)
    assert house.catalogue.find("latest").id == good.id
    card = house.said("show", "latest")
    assert str(card.title) == f"Backup {good.id}"
    assert f"{bad.id} is newer, but quarantined" in str(card.lines[0])
    assert house.done("drill").plan.arguments["backup"] == good.id
    assert house.catalogue.find(bad.id).id == bad.id
    assert "do not rely on it" in str(house.said("show", bad.id).lines[0])


def test_the_plan_of_a_restore_says_what_latest_passed_over(house: House) -> None:
    good, bad = house.backup(), quarantined(house)
    targets = {SHOP: Target(SHOP, house.database, house.store, FakeCommand())}
    restore = RestoreHandler(Restorations(targets, {SHOP: house.catalogue}, house.clock))
    answer = restore.ask(Invocation("restore", ("latest",), someone(), "C0OPS"))
    assert isinstance(answer, Confirm)
    assert answer.draft.arguments["backup"] == good.id
    plan = Plan("restore.run", SHOP, answer.draft.arguments, someone(), "C0OPS", "now", "nonce")
    card = restore.describe(Job(JobId("j"), plan, JobState.OFFERED, house.clock.now()))
    assert any(f"{bad.id} is newer, but quarantined" in str(line) for line in card.lines)


def test_status_counts_no_quarantined_backup_as_the_newest_and_names_it(house: House) -> None:
    good = house.backup()
    house.clock.advance(3600)
    bad = quarantined(house)
    card = house.said("status")
    assert "1 h" in str(card.title)
    assert str(card.lines[0]).startswith(good.id)
    assert any(f"{bad.id} is quarantined" in str(line) for line in card.lines)
    assert card.tone is Tone.BAD


def test_when_every_backup_is_quarantined_latest_is_refused_with_the_reason(house: House) -> None:
    bad = quarantined(house)
    with pytest.raises(Refusal, match=f"{bad.id}.*SHA-256"):
        house.catalogue.find("latest")


def test_show_tells_the_last_check_and_drill(house: House) -> None:
    manifest = house.backup()
    facts = {str(fact.label): str(fact.value) for fact in house.said("show", manifest.id).facts}
    assert (facts["Last check"], facts["Last drill"]) == ("never", "never")
    assert "not proved" in facts["Standing"]
    house.done("verify")
    house.done("drill")
    facts = {str(fact.label): str(fact.value) for fact in house.said("show", manifest.id).facts}
    assert "passed, level 2" in facts["Last check"]
    assert "data ready after" in facts["Last drill"]
    assert facts["Standing"].startswith("good")


def test_a_damaged_receipt_is_told_and_hides_nothing(house: House) -> None:
    manifest = house.backup()
    house.done("verify")
    key = house.store.list("v1/shop/evidence/")[0].key
    data, at = house.store.artifacts[key]
    house.store.artifacts[key] = (data.replace(b'"level":2', b'"level":3'), at)
    house.catalogue = Catalogue(SHOP, house.store)
    assert house.catalogue.dossier.history().damaged == (key,)
    judgement = house.catalogue.dossier.standing(manifest.id)
    assert judgement.standing is Standing.UNPROVED
    assert key in str(judgement.reason)


def test_a_schedule_may_verify_and_drill(house: House) -> None:
    house.backup()
    for word in ("verify", "drill"):
        answer = house.ask(word, surface=Surface.SCHEDULE)
        assert isinstance(answer, Began), answer
        house.desk.work(answer.job)
        assert house.loaded(answer.job).state is JobState.DONE


def test_a_backup_is_made_while_a_drill_runs(house: House) -> None:
    house.backup()
    made: list[Job] = []
    refused: list[Card] = []

    def meanwhile(database: FakeDatabase) -> None:
        house.scratch.spoilt = lambda _: None
        made.append(house.done("now"))
        refused.append(house.said("drill"))

    house.scratch.spoilt = meanwhile
    assert house.done("drill").state is JobState.DONE
    assert made[0].state is JobState.DONE
    assert "One at a time" in str(refused[0].title)


def test_a_dead_workers_drill_is_looked_at_and_says_nothing(house: House) -> None:
    house.backup()
    answer = house.ask("drill")
    assert isinstance(answer, Began)
    house.faults.kill("database.hashes")
    with pytest.raises(Killed):
        house.desk.work(answer.job)
    house.faults.revive()
    house.clock.advance(30)
    house.new_desk().tend()
    job = house.loaded(answer.job)
    assert job.state is JobState.INTERRUPTED
    assert "says nothing about the backup" in words(job)
    assert house.catalogue.dossier.history().evidence == ()
