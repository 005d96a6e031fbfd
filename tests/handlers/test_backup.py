"""`/backup` in words: what it answers, what its cards say, and what is true after its worker died."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from handlers.core.backups.catalogue import folder, new_id
from handlers.core.door.desk import Began, Said
from handlers.core.formats.manifests import Manifest
from handlers.core.formats.objects import Slice
from handlers.core.formats.optimes import OpTime
from handlers.core.words.answers import Invocation, JobId, TargetName
from handlers.core.words.cards import Card
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from tests.fakes import Killed, someone
from tests.handlers.test_manifests import manifest
from tests.handlers.test_proofs import House, words
from tests.handlers.test_prunings import House as Cellar
from tests.handlers.test_prunings import begun

BEGIN = 1_795_500_000
HOUR = 3600


@pytest.fixture
def house() -> House:
    return House()


def lines(card: Card) -> list[str]:
    return [str(line) for line in card.lines]


def facts(card: Card) -> dict[str, str]:
    return {str(fact.label): str(fact.value) for fact in card.facts}


# -- what it answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["show", "pin", "unpin"])
def test_without_an_id_it_asks_which_backup(house: House, verb: str) -> None:
    house.backup()
    card = house.said(verb)
    assert str(card.title) == "Which backup? `/backup list` shows the ids."
    assert house.store.list("v1/shop/pins/") == ()


def test_a_word_that_means_nothing_is_named_and_changes_nothing(house: House) -> None:
    before = dict(house.store.artifacts)
    assert str(house.said("explode", "now").title).startswith("/backup does not know explode.")
    assert house.store.artifacts == before


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("elsewhere",), "There is no target elsewhere. There are: shop."),
        (("shop", "now"), "That were too many words; nothing was done."),
    ],
)
def test_a_target_that_is_not_there_and_one_word_too_many_begin_nothing(
    house: House, given: tuple[str, ...], said: str
) -> None:
    assert str(house.said("now", *given).title).startswith(said)
    assert house.state.keys("job:") == ()


def test_help_names_the_targets_when_there_are_several(house: House) -> None:
    assert not any("target's name" in line for line in lines(house.said("help")))
    several = Cellar(others=(TargetName("staging"),))
    answer = several.desk.ask(Invocation("backup", (), someone(), "C0OPS"))
    assert isinstance(answer, Said)
    assert lines(answer.card)[-1] == "Add a target's name at the end: shop, staging."


def test_a_backup_of_many_collections_shows_the_largest_and_counts_the_rest(house: House) -> None:
    for number in range(30):
        house.database.add(f"small{number}", [{"_id": 1}])
    made = house.backup()
    shown = lines(house.said("show", made.id))
    assert len(shown) == 26
    assert shown[0].startswith("items: 20 documents")
    assert shown[-1] == f"… and {len(made.collections) - 25} smaller ones."


def test_status_says_what_runs_and_who_began_it(house: House) -> None:
    house.backup()
    assert not any("Running now" in line for line in lines(house.said("status")))
    house.ask("now")
    assert "Running now: backup.now, begun by U0SARA." in lines(house.said("status"))


# -- which moments can be restored ---------------------------------------------------------------------------------


def backup_until(end: OpTime) -> Manifest:
    """A consistent backup of that moment."""
    given = manifest()
    backup = new_id(end.moment, JobId("a" * 12))
    place = folder(given.target, backup)
    assert given.slice is not None
    part = Slice(OpTime(end.seconds - 5, 1), end, 1, replace(given.slice.stored, key=f"{place}/oplog.bson.zst"))
    data = replace(given.data, key=f"{place}/data.archive.zst")
    return replace(given, id=backup, created=end.moment, data=data, slice=part)


def saved(house: House, start: OpTime, end: OpTime) -> None:
    """A slice of the oplog that leads from one moment to another."""
    house.store.put_new(f"v1/shop/pitr/20261124/{start}_{end}_1_{'ab' * 32}.bson.zst", b"packed")


def kept(house: House, manifest: Manifest) -> None:
    """A backup with its files."""
    for file in manifest.files:
        house.store.put_new(file.key, b"data")
    house.catalogue.commit(manifest)


def test_status_counts_no_backup_whose_data_is_gone_and_claims_no_moment_of_it(house: House) -> None:
    old, newest = (backup_until(OpTime(BEGIN + number * HOUR, 1)) for number in range(2))
    for each in (old, newest):
        kept(house, each)
    saved(house, OpTime(BEGIN + HOUR, 1), OpTime(BEGIN + 2 * HOUR, 1))
    assert any("Any moment" in line for line in lines(house.said("status")))
    house.store.delete(newest.data.key)
    told = lines(house.said("status"))
    assert told[0].startswith(old.id)
    assert not any("Any moment" in line for line in told)


def test_status_says_the_last_spans_of_moments_and_counts_those_before(house: House) -> None:
    for number in range(5):
        start = OpTime(BEGIN + number * HOUR, 1)
        kept(house, backup_until(start))
        saved(house, start, OpTime(start.seconds + 600, 1))
    told = [line for line in lines(house.said("status")) if "moment" in line]
    begins = [datetime.fromtimestamp(BEGIN + number * HOUR, UTC) for number in range(5)]
    assert told[0] == "2 earlier spans of moments can be restored too."
    assert [line.partition(":")[0] for line in told[1:]] == ["Any moment can be restored"] * 3
    for begin, line in zip(begins[2:], told[1:], strict=True):
        span = Text("{start} to {end}", start=begin, end=begin + timedelta(seconds=600))
        assert line == f"Any moment can be restored: {span}."


def test_a_span_inside_one_second_is_said_as_that_second(house: House) -> None:
    start = OpTime(BEGIN, 1)
    kept(house, backup_until(start))
    saved(house, start, OpTime(BEGIN, 9))
    (told,) = [line for line in lines(house.said("status")) if "moment" in line]
    assert told == str(Text("Any moment can be restored: {time}.", time=start.moment))


def test_a_backup_with_no_slice_behind_it_is_no_span(house: House) -> None:
    kept(house, backup_until(OpTime(BEGIN, 1)))
    assert not any("moment" in line for line in lines(house.said("status")))


# -- what its cards say --------------------------------------------------------------------------------------------


def test_a_backup_knows_when_it_was_asked_for_and_when_its_work_began(house: House) -> None:
    began = house.ask("now")
    assert isinstance(began, Began)
    house.clock.advance(90)
    house.desk.work(began.job)
    made = house.catalogue.find("latest")
    assert made.began is not None
    assert (made.began - made.created).total_seconds() == 90


def test_the_card_of_a_backup_says_how_large_it_is_and_its_checksum(house: House) -> None:
    made = house.backup()
    (job_id,) = [JobId(key.removeprefix("job:")) for key in house.state.keys("job:")]
    card = house.desk.card(house.loaded(job_id))
    assert str(card.title) == "Backup of shop: done"
    assert facts(card)["SHA-256"] == f"{made.data.sha256[:16]}…"
    assert set(facts(card)) == {"Stored", "Data", "SHA-256"}


@pytest.mark.parametrize(
    "recorded", [{}, {"stored_bytes": 1, "raw_bytes": "2", "sha256": "ab"}, {"stored_bytes": 1, "raw_bytes": 2}]
)
def test_a_record_of_a_backup_without_its_sizes_is_said_to_be_wrong(house: House, recorded: Mapping[str, Any]) -> None:
    made = house.done("now")
    assert made.outcome is not None
    given = replace(made, outcome=replace(made.outcome, facts={"backup": "x", **recorded}))
    with pytest.raises(OutsideError, match="A job's record has no sizes"):
        house.desk.card(given)


def test_a_backup_of_a_server_without_an_oplog_says_that_it_is_not_of_one_moment(house: House) -> None:
    house.database.deployment = ""
    job = house.done("now")
    assert job.state is JobState.DONE
    assert "is kept" in words(job)
    assert words(job).endswith("It is not a copy of one moment: This MongoDB is not a replica set.")
    (made,) = house.catalogue.listing().manifests
    assert made.slice is None
    assert facts(house.said("show", made.id))["Consistent"] == "no: This MongoDB is not a replica set."


@pytest.mark.parametrize(
    ("verb", "subject"), [("pin", "Pin of backup {id}"), ("unpin", "End of the pin of backup {id}")]
)
def test_the_card_of_a_pin_names_the_backup(house: House, verb: str, subject: str) -> None:
    made = house.backup()
    job = house.done(verb, made.id)
    assert str(house.desk.card(job).title) == f"{subject.format(id=made.id)}: done"


def test_the_card_of_a_pruning_says_of_which_target(house: House) -> None:
    house.backup()
    assert str(house.desk.card(house.done("prune")).title) == "Old backups of shop: done"


# -- when its worker died ------------------------------------------------------------------------------------------


def rescued(cellar: Cellar, job_id: JobId) -> Job:
    """Its worker dies at its next change, and another one looks at what is true."""
    cellar.faults.kill("store.put_new", 1)
    with pytest.raises(Killed):
        cellar.desk.work(job_id)
    cellar.faults.revive()
    cellar.desk = cellar.new_desk()
    cellar.clock.advance(40)
    cellar.desk.tend()
    job = cellar.desk.load(job_id)
    assert job is not None
    return job


@pytest.mark.parametrize("verb", ["pin", "unpin"])
def test_after_a_pin_whose_worker_died_the_list_is_named_as_what_knows(verb: str) -> None:
    cellar = Cellar()
    backup = cellar.add(cellar.clock.moment)
    if verb == "unpin":
        cellar.run("pin", backup, actor=someone())
    job = rescued(cellar, begun(cellar, verb, backup))
    assert job.state is JobState.INTERRUPTED
    assert words(job) == "Its worker stopped. Whether the copy is pinned now, `/backup list` says."


def test_a_pin_that_the_store_did_not_take_has_failed_and_says_why() -> None:
    cellar = Cellar()
    job_id = begun(cellar, "pin", cellar.add(cellar.clock.moment))
    cellar.faults.fail("store.put_new", 1)
    cellar.desk.work(job_id)
    job = cellar.desk.load(job_id)
    assert job is not None
    assert job.state is JobState.FAILED
    assert words(job) == "store.put_new failed. Whether the copy is pinned now, `/backup list` says."


def test_a_backup_that_died_and_whose_record_is_lost_too_comes_back_as_nothing() -> None:
    cellar = Cellar()
    cellar.database.add("orders", [{"_id": 1}])
    job_id = begun(cellar, "now")
    cellar.faults.kill("store.put_new", 1)
    with pytest.raises(Killed):
        cellar.desk.work(job_id)
    cellar.faults.revive()
    cellar.state.flush()
    cellar.desk = cellar.new_desk()
    cellar.desk.find_lost()
    assert cellar.state.keys("job:") == ()
    assert cellar.listed() == []
