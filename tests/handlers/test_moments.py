"""A drill goes on from the backup to the newest moment that the saved oplog leads to, and says what that is worth."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.measuring import Proved
from handlers.checks.backups import BackupsCheck
from handlers.core.backups.holdings import Holdings
from handlers.core.backups.timelines import Follower, Link, links
from handlers.core.formats.evidence import Evidence, Moment, Standing, Verdict
from handlers.core.formats.manifests import BackupKind, CollectionSpec, Manifest
from handlers.core.formats.optimes import OpTime
from handlers.core.health.findings import Finding
from handlers.core.ports import LoadEvidence, ReplayEvidence, Target
from handlers.core.words.jobs import JobState
from handlers.core.words.questions import Question
from handlers.core.words.text import Text
from tests.fake_database import FakeCommand, FakeDatabase
from tests.handlers.test_evidence import seen
from tests.handlers.test_proofs import SHOP, House, words


@pytest.fixture
def house() -> House:
    return House()


def followed(house: House, *, slices: int = 2) -> Manifest:
    """A backup, and slices of what was written after it."""
    follower = Follower(SHOP, house.database, house.store, house.clock)
    follower.step(lambda: False)
    house.database.write("items", {"_id": 98, "sku": "before"})
    follower.step(lambda: False)
    manifest = house.backup()
    for number in range(slices):
        house.database.write("items", {"_id": 100 + number, "sku": f"n{number}"})
        house.database.remove("items", number)
        follower.step(lambda: False)
    return manifest


def reached(house: House) -> Moment:
    found = house.evidence().moment
    assert found is not None
    return found


def test_a_drill_reaches_the_newest_moment_and_says_so(house: House) -> None:
    house.questions = (Question("items", "[]", 21),)
    house.desk = house.new_desk()
    manifest = followed(house)
    job = house.done("drill")
    assert job.state is JobState.DONE, words(job)
    moment = reached(house)
    assert moment.until == str(house.database.now())
    assert (moment.verdict, moment.slices, moment.changes) == (Verdict.PASS, 2, 4)
    assert moment.documents == manifest.documents
    assert moment.hashes["items"] != house.evidence().hashes["items"]
    assert "4 changes of 2 slices" in words(job)
    assert "Newest moment" in [str(fact.label) for fact in house.desk.card(job).facts]
    assert "Moment it reached" in [str(fact.label) for fact in house.said("show", manifest.id).facts]
    assert house.scratch.open_now == 0
    assert len(house.scratch.needed_bytes) == 2


def test_the_hashes_of_a_moment_are_those_of_the_data_that_was_there_then(house: House) -> None:
    followed(house)
    house.done("drill")
    assert dict(reached(house).hashes) == dict(house.database.hashes())


def test_without_saved_oplog_after_it_a_drill_reaches_no_moment(house: House) -> None:
    house.backup()
    assert house.done("drill").state is JobState.DONE
    assert house.evidence().moment is None


def test_what_a_restore_kept_of_another_database_is_drilled_and_reaches_no_moment(house: House) -> None:
    manifest = followed(house)
    house.forge(replace(manifest, kind=BackupKind.PRE_RESTORE, database="another"))
    assert house.done("drill", manifest.id).state is JobState.DONE
    assert house.evidence().moment is None
    house.forge(replace(manifest, kind=BackupKind.PRE_RESTORE))
    house.done("drill", manifest.id)
    assert house.evidence().moment is not None


def test_a_gap_is_not_bridged_by_a_drill(house: House) -> None:
    followed(house, slices=3)
    first, second, _ = links(house.store, SHOP)[-3:]
    house.store.delete(second.stored.key)
    house.done("drill")
    assert reached(house).until == str(first.end)


def spoilt(house: House, link: Link) -> None:
    data, at = house.store.artifacts[link.stored.key]
    house.store.artifacts[link.stored.key] = (data[:-5] + b"XXXX\n", at)


def hollow(house: House, link: Link) -> None:
    """A slice whose key says that it holds changes, and that holds none."""
    house.store.delete(link.stored.key)
    folder = link.stored.key.rpartition("/")[0]
    house.store.put_new(f"{folder}/{link.start}_{link.end}_2_{hashlib.sha256(b'').hexdigest()}.bson.zst", b"")


@pytest.mark.parametrize(("how", "why"), [(spoilt, "SHA-256"), (hollow, "ended before the last changes")])
def test_a_slice_that_is_not_what_it_says_fails_the_moment_and_not_the_backup(
    house: House, how: object, why: str
) -> None:
    manifest = followed(house)
    assert callable(how)
    how(house, links(house.store, SHOP)[-1])
    job = house.done("drill")
    assert job.state is JobState.FAILED
    assert "The backup can be restored" in words(job)
    assert why in words(job)
    assert (house.evidence().verdict, reached(house).verdict) == (Verdict.PASS, Verdict.FAIL)
    assert house.catalogue.dossier.standing(manifest.id).standing is Standing.GOOD
    assert house.catalogue.find("latest").id == manifest.id


class Losing(FakeDatabase):
    """Says that it loaded all, and did not."""

    def load(self, packed: Iterable[bytes], prefix: str, names: Container[str]) -> LoadEvidence:
        evidence = super().load(packed, prefix, names)
        self.there["items"].documents.pop()
        return evidence


def losing(database: FakeDatabase) -> None:
    database.__class__ = Losing


def extra(database: FakeDatabase) -> None:
    database.add("more", [{"_id": 1}])


@pytest.mark.parametrize(("spoilt", "why"), [(losing, "items holds"), (extra, "more is there")])
def test_a_moment_is_counted_before_and_compared_after_its_replay(
    house: House, spoilt: Callable[[FakeDatabase], None], why: str
) -> None:
    followed(house)
    opened: list[FakeDatabase] = []

    def second(database: FakeDatabase) -> None:
        opened.append(database)
        if len(opened) == 2:
            spoilt(database)

    house.scratch.spoilt = second
    assert why in words(house.done("drill"))
    assert (house.evidence().verdict, reached(house).verdict) == (Verdict.PASS, Verdict.FAIL)


class Overshooting(FakeDatabase):
    """Says that it replayed what came after the moment."""

    def replay(
        self,
        slices: Iterable[Iterable[bytes]],
        prefix: str,
        specs: Sequence[CollectionSpec],
        *,
        names: Container[str],
        until: OpTime | None = None,
        dumped: bool = True,
    ) -> ReplayEvidence:
        evidence = super().replay(slices, prefix, specs, names=names, until=until, dumped=dumped)
        return evidence if until is None else replace(evidence, last=OpTime(until.seconds, until.increment + 1))


def test_a_replay_that_went_past_the_moment_fails_it(house: House) -> None:
    manifest = followed(house)
    house.scratch.spoilt = lambda database: setattr(database, "__class__", Overshooting)
    job = house.done("drill")
    assert f"Changes from after {Text('{time}', time=house.database.now().moment)} were replayed." in words(job)
    assert (house.evidence().verdict, reached(house).verdict) == (Verdict.PASS, Verdict.FAIL)
    assert house.catalogue.dossier.standing(manifest.id).standing is Standing.GOOD


def test_a_moment_that_cannot_be_brought_to_its_end_is_not_known_and_the_backup_is_proved(house: House) -> None:
    followed(house)
    house.faults.fail("scratch.open", 2)
    job = house.done("drill")
    assert job.state is JobState.FAILED
    assert "is not known" in words(job)
    assert (house.evidence().verdict, reached(house).verdict) == (Verdict.PASS, Verdict.UNKNOWN)


def test_a_question_that_the_moment_answers_wrongly_fails_the_moment(house: House) -> None:
    house.questions = (Question("items", "[]", 20),)
    house.desk = house.new_desk()
    followed(house, slices=1)
    house.database.remove("items", 10)
    house.database.remove("items", 11)
    house.database.remove("items", 12)
    Follower(SHOP, house.database, house.store, house.clock).step(lambda: False)
    assert house.done("drill").state is JobState.FAILED
    assert reached(house).verdict is Verdict.FAIL


def test_another_drill_of_the_same_moment_must_see_the_same_documents(house: House) -> None:
    followed(house)
    house.done("drill")
    earlier = house.evidence()
    assert earlier.moment is not None
    assert house.done("drill").state is JobState.DONE
    forged = replace(
        earlier, made=earlier.made + timedelta(seconds=1), moment=replace(earlier.moment, hashes={"items": "0" * 32})
    )
    house.catalogue.dossier.add(forged)
    job = house.done("drill")
    assert "other documents" in words(job)
    assert reached(house).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    "other",
    [
        lambda earlier: replace(earlier, server="5.0.1"),
        lambda earlier: replace(earlier, moment=replace(earlier.moment, verdict=Verdict.FAIL, reason="so")),
        lambda earlier: replace(earlier, moment=replace(earlier.moment, until=str(OpTime(1_764_000_000, 3)))),
    ],
)
def test_only_a_moment_that_passed_on_the_same_version_is_compared(
    house: House, other: Callable[[Evidence], Evidence]
) -> None:
    followed(house)
    house.done("drill")
    earlier = house.evidence()
    assert earlier.moment is not None
    spoilt = replace(
        earlier, made=earlier.made + timedelta(seconds=1), moment=replace(earlier.moment, hashes={"items": "0" * 32})
    )
    house.catalogue.dossier.add(other(spoilt))
    assert house.done("drill").state is JobState.DONE
    assert reached(house).verdict is Verdict.PASS


def test_a_drill_before_any_oplog_was_saved_does_not_speak_against_a_later_moment(house: House) -> None:
    manifest = followed(house, slices=0)
    assert house.done("drill").state is JobState.DONE
    assert house.evidence().moment is None
    house.database.write("items", {"_id": 100, "sku": "new"})
    Follower(SHOP, house.database, house.store, house.clock).step(lambda: False)
    assert house.done("drill", manifest.id).state is JobState.DONE
    assert reached(house).verdict is Verdict.PASS


def drilled(moment: Moment | None) -> Evidence:
    return replace(seen(Verdict.PASS, 3), moment=moment)


MOMENT = Moment(str(OpTime(1_764_000_000, 3)), 4, Verdict.FAIL, "it is so", 5, 6, 7, {"سفارش": "d4"})


def test_a_receipt_with_a_moment_is_read_back_as_it_was_and_one_without_is_as_ever() -> None:
    for evidence in (drilled(MOMENT), drilled(None)):
        assert Evidence.from_bytes(evidence.to_bytes()) == evidence
    assert b"moment" not in drilled(None).to_bytes()


def health(house: House) -> Finding:
    targets = {SHOP: Target(SHOP, house.database, house.store, FakeCommand())}
    catalogues = {SHOP: house.catalogue}
    check = BackupsCheck(targets, catalogues, Holdings(targets, catalogues, house.clock), house.clock)
    return next(each for each in check(SHOP, 1) if each.name == "last moment")


def test_health_says_whether_the_last_drill_reached_a_moment(house: House) -> None:
    house.backup()
    house.done("drill")
    assert health(house).verdict is Verdict.UNKNOWN
    followed(house)
    house.done("drill")
    assert health(house).verdict is Verdict.PASS
    house.clock.advance(11 * 86_400)
    assert health(house).verdict is Verdict.FAIL
    spoilt(house, links(house.store, SHOP)[-1])
    house.done("drill")
    assert health(house).verdict is Verdict.FAIL


def test_prometheus_is_told_when_a_moment_was_last_reached_and_how_long_it_took(house: House) -> None:
    followed(house)
    house.done("drill")
    told = {(each.name, each.labels.get("check")) for each in Proved({SHOP: house.catalogue}, house.clock)()}
    for name in ("negahban_last_good_check_age_seconds", "negahban_drill_ready_seconds"):
        assert {(name, "drill"), (name, "moment")} <= told
