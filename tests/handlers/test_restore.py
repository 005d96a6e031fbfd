"""`/restore` in words: what it answers, what a plan says before a code, and what it refuses to plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from handlers.core.backups.catalogue import Catalogue
from handlers.core.backups.timelines import Follower
from handlers.core.formats.evidence import Verdict
from handlers.core.formats.optimes import OpTime
from handlers.core.words.answers import BackupId, Invocation, Reply
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import spelled_time
from tests.fake_database import FIRST, Document, FakeEntry
from tests.fakes import Killed, someone
from tests.handlers.test_evidence import seen
from tests.handlers.test_restorations import SHOP, Scene, Telling
from tests.handlers.test_servers import STAGING, Elsewhere


def failed(scene: Scene, backup: str) -> None:
    """A check of that backup failed."""
    Catalogue(SHOP, scene.store).dossier.add(replace(seen(Verdict.FAIL), backup=BackupId(backup)))


class Quiet(Scene):
    """A shop in which nothing was written since its backup."""

    def live_on(self) -> None:
        """Nothing happens."""


class Single(Scene):
    """A shop on a single server, which has no oplog: its backups are not of one moment."""

    def plant(self) -> None:
        super().plant()
        self.database.deployment = ""


class Doubled(Scene):
    """A shop whose oplog is saved, with a second backup 15 seconds after the first, and orders before and after it."""

    def plant(self) -> None:
        super().plant()
        self.follower = Follower(SHOP, self.database, self.store, self.clock)
        self.follower.step(lambda: False)

    def live_on(self) -> None:
        self.write(15)
        self.second = self.made_backup()
        self.write(20)
        self.write(30)

    def write(self, second: int) -> None:
        document = {"_id": second, "n": second}
        self.database.there["orders"].documents.append(document)
        self.database.oplog.append(FakeEntry(OpTime(FIRST.seconds + second, 1), "write", "orders", document))
        self.follower.step(lambda: False)


class Followed(Scene):
    """A shop whose oplog is saved: 10 seconds after the backup an order comes, 20 seconds after it one is spoilt."""

    def plant(self) -> None:
        super().plant()
        self.follower = Follower(SHOP, self.database, self.store, self.clock)
        self.follower.step(lambda: False)

    def live_on(self) -> None:
        self.write(10, {"_id": 9, "n": 9})
        self.write(20, {"_id": 1, "n": "spoilt"})
        self.write(30, {"_id": 2, "n": "spoilt"})

    def write(self, second: int, document: Document) -> None:
        orders = self.database.there["orders"]
        orders.documents = [*(each for each in orders.documents if each["_id"] != document["_id"]), document]
        self.database.oplog.append(FakeEntry(OpTime(FIRST.seconds + second, 1), "write", "orders", document))
        self.follower.step(lambda: False)


def second(number: int) -> str:
    """A second after the backup of a Followed, as somebody types it."""
    return datetime.fromtimestamp(FIRST.seconds + number, UTC).isoformat()


def said(scene: Scene, *words: str) -> Card:
    answer = scene.handlers()[1].ask(Invocation("restore", words, someone(), "C0OPS"))
    assert isinstance(answer, Reply)
    return answer.card


def lines(card: Card) -> list[str]:
    return [str(line) for line in card.lines]


def facts(card: Card) -> dict[str, str]:
    return {str(fact.label): str(fact.value) for fact in card.facts}


def offered(scene: Scene, *words: str) -> Card:
    """The card that asks for a code."""
    return scene.handlers()[1].describe(replace(scene.job("restore", *words), state=JobState.OFFERED))


def text_of(job: Job) -> str:
    assert job.outcome is not None
    return str(job.outcome.text)


# -- what it answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("shop",)])
def test_without_a_backup_it_offers_the_newest_each_with_a_button_that_plans_it(words: tuple[str, ...]) -> None:
    scene = Scene()
    card = said(scene, *words)
    assert str(card.title) == "Which backup of shop?"
    assert lines(card)[0].startswith(f"{scene.backup} · 1 h old")
    assert lines(card)[-1] == "A button shows the plan; nothing happens before a code."
    assert not any("any moment" in line for line in lines(card))
    (button,) = card.buttons
    assert scene.job("restore", *button.value.split()).plan.arguments["backup"] == scene.backup


def test_of_many_backups_the_newest_five_are_offered() -> None:
    scene = Scene()
    for _ in range(6):
        scene.clock.advance(60)
        scene.made_backup()
    card = said(scene)
    assert len(card.buttons) == 5
    assert scene.backup not in str([button.value for button in card.buttons])


def test_the_moments_that_can_be_restored_are_offered_too() -> None:
    card = said(Followed())
    assert any(line.startswith("Or any moment: ") for line in lines(card))


def test_without_any_backup_it_says_how_to_make_one() -> None:
    scene = Scene()
    scene.store.artifacts.clear()
    card = said(scene)
    assert str(card.title) == "There is nothing to restore for shop"
    assert lines(card) == ["`/backup now` makes a backup."]
    assert card.tone is Tone.WARNING
    assert card.buttons == ()


def test_help_names_other_servers_where_there_are_any() -> None:
    assert not any("to SERVER" in line for line in lines(said(Scene(), "help")))
    told = lines(said(Elsewhere(), "help"))
    assert "Add `to SERVER` for another server: staging." in told
    assert "Nothing happens until you confirm the plan with a code from your authenticator." in told


@pytest.mark.parametrize("words", [(), ("one", "two")])
def test_an_undo_without_its_job_is_asked_for_it(words: tuple[str, ...]) -> None:
    with pytest.raises(Refusal, match="Which restore"):
        Scene().job("restore", "undo", *words)


def test_a_restore_that_died_is_named_until_somebody_looked() -> None:
    scene = Scene()
    job = scene.job("restore", "latest")
    scene.faults.kill("database.load")
    with pytest.raises(Killed):
        scene.run(job)
    scene.faults.revive()
    assert [each.id for each in scene.handlers()[1].lost()] == [job.id]
    scene.recovered(job)
    assert scene.handlers()[1].lost() == ()


# -- moments -------------------------------------------------------------------------------------------------------


def test_a_moment_is_restored_as_it_was_then() -> None:
    scene = Followed()
    done = scene.restored(second(15))
    assert {each["_id"]: each["n"] for each in scene.database.there["orders"].documents} == {
        **{number: number for number in range(4)},
        9: 9,
    }
    told = spelled_time(datetime.fromisoformat(second(15)))
    assert text_of(done).startswith(f"The live data is as it was at {told}.")


def test_the_plan_of_a_moment_says_up_to_when() -> None:
    card = offered(Followed(), second(15))
    told = spelled_time(datetime.fromisoformat(second(15)))
    assert str(card.title) == f"Restore shop as of {told}?"
    assert f"Changes after the backup are replayed up to {told}, and none after it." in lines(card)


def test_a_moment_that_has_not_come_is_refused() -> None:
    with pytest.raises(Refusal, match="That time has not come yet"):
        Followed().job("restore", "2027-01-01T00:00:00Z")


@pytest.mark.parametrize("moment", [second(-1), second(31), "1969-12-31T23:59:59Z", "1960-01-01T00:00:00Z"])
def test_a_moment_that_is_not_saved_is_refused_with_the_newest_that_is(moment: str) -> None:
    with pytest.raises(Refusal, match=r"That moment is not saved\. The newest that can be restored: .* to "):
        Followed().job("restore", moment)


def test_where_no_backup_is_of_one_moment_none_can_be_restored_to_one() -> None:
    with pytest.raises(Refusal, match="Nothing can be restored to a moment yet"):
        Single().job("restore", second(15))


def test_a_moment_is_never_begun_from_a_backup_that_failed_a_check_while_a_sound_one_leads_there() -> None:
    scene = Doubled()
    assert scene.job("restore", second(25)).plan.arguments["backup"] == scene.second
    failed(scene, scene.second)
    job = scene.job("restore", second(25))
    assert job.plan.arguments["backup"] == scene.backup
    assert job.plan.arguments["cautions"] == []
    scene.restored(second(25))
    assert {15, 20} <= {each["_id"] for each in scene.database.there["orders"].documents}


def test_a_moment_is_never_begun_from_what_a_restore_kept_of_another_database() -> None:
    scene = Doubled()
    scene.restored("latest", "into", "copy")
    # One server has one time: what copy is now is of after the second backup.
    of_copy = FakeEntry(OpTime(FIRST.seconds + 35, 1), "write", "orders", {"_id": 1})
    scene.database.sibling("copy").oplog.append(of_copy)
    scene.restored("latest", "into", "copy")
    (kept,) = [each for each in Catalogue(SHOP, scene.store).listing().manifests if each.database == "copy"]
    assert kept.slice is not None
    scene.write(40)
    scene.write(50)
    job = scene.job("restore", second(45))
    assert job.plan.arguments["backup"] == scene.second
    scene.run(job)
    assert {15, 20, 30, 40} <= {each["_id"] for each in scene.database.there["orders"].documents}


def test_a_moment_to_which_only_a_backup_that_failed_a_check_leads_is_planned_with_that_said() -> None:
    scene = Doubled()
    for each in (scene.backup, scene.second):
        failed(scene, each)
    assert not any("any moment" in line for line in lines(said(scene)))
    job = scene.job("restore", second(25))
    assert job.plan.arguments["backup"] == scene.second
    assert f"{scene.second} is quarantined, do not rely on it" in str(job.plan.arguments["cautions"])


@pytest.mark.parametrize("what", ["data.archive", "oplog.bson"])
def test_neither_a_moment_nor_latest_is_begun_from_a_backup_of_which_a_file_is_gone(what: str) -> None:
    scene = Doubled()
    (key,) = [each for each in scene.store.artifacts if f"{scene.second}/{what}" in each]
    del scene.store.artifacts[key]
    assert scene.job("restore", second(25)).plan.arguments["backup"] == scene.backup
    latest = scene.job("restore", "latest")
    assert latest.plan.arguments["backup"] == scene.backup
    assert latest.plan.arguments["cautions"] == [f"{scene.second} is newer, but its data is gone."]
    named = scene.job("restore", scene.second)
    assert named.plan.arguments["cautions"] == [f"The data of {scene.second} is gone: it cannot be restored."]


def test_where_the_data_of_every_backup_is_gone_latest_is_refused() -> None:
    scene = Scene()
    for key in [each for each in scene.store.artifacts if "data.archive" in each]:
        del scene.store.artifacts[key]
    with pytest.raises(Refusal, match="The data of every backup is gone"):
        scene.job("restore", "latest")


def test_a_moment_whose_changes_went_after_somebody_confirmed_is_not_restored() -> None:
    scene = Followed()
    job = scene.job("restore", second(15))
    for artifact in scene.store.list("v1/shop/pitr/"):
        scene.store.delete(artifact.key)
    outcome = scene.run(job)
    assert outcome.state is JobState.FAILED
    assert "The changes up to that time are not saved any more." in str(outcome.text)
    assert scene.content() == scene.live


def test_nothing_is_replayed_over_a_backup_that_is_not_of_one_moment() -> None:
    scene = Single()
    job = scene.job("restore", "latest")
    until = {**job.plan.arguments, "until": str(FIRST), "at": second(0)}
    outcome = scene.run(replace(job, plan=replace(job.plan, arguments=until)))
    assert outcome.state is JobState.FAILED
    assert "This backup is not of one moment" in str(outcome.text)
    assert scene.content() == scene.live


# -- what a plan says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words", "line"),
    [
        ({}, ("latest",), "Everything in shop now will be replaced. "),
        ({}, ("latest", "only", "orders,old"), "In shop, these collections will be replaced: orders, old. "),
        ({}, ("latest", "into", "copy"), "copy is empty now: nothing will be replaced."),
        ({}, ("latest", "into", "copy"), "The backup was made of another database: shop."),
        ({"blocks_writes": True}, ("latest",), "During the switch nobody else can write, on the whole server."),
        ({}, ("latest",), "For 24 h it can be undone with a button."),
        ({"keep_hours": 0}, ("latest",), "It can only be undone by restoring the backup of what is live now."),
        ({"migrate": "migrate:up"}, ("latest",), "Then runs: migrate:up. For 24 h it can be undone with a button."),
        ({}, ("latest",), "Compare the words: "),
    ],
)
def test_a_plan_says_what_happens(given: dict[str, Any], words: tuple[str, ...], line: str) -> None:
    assert any(each.startswith(line) for each in lines(offered(Scene(**given), *words)))


def test_a_plan_of_a_backup_that_is_not_of_one_moment_says_so() -> None:
    assert any("This is not a copy of one moment" in line for line in lines(offered(Single(), "latest")))
    assert not any("one moment" in line for line in lines(offered(Scene(), "latest")))


def test_a_plan_says_where_newer_documents_could_not_be_counted() -> None:
    scene = Scene()
    scene.database.written_since = {"orders": None}
    assert "How many newer documents will be lost could not be counted in orders." in lines(offered(scene, "latest"))


def test_of_many_collections_that_go_away_ten_are_named() -> None:
    scene = Scene()
    for number in range(12):
        scene.database.add(f"a{number:02}")
    told = next(line for line in lines(offered(scene, "latest")) if "they will go away" in line)
    assert told.endswith("a08, a09 and 4 more.")


def test_a_plan_says_how_long_the_last_drill_took() -> None:
    scene = Scene()
    assert "Takes about" not in facts(offered(scene, "latest"))
    scene.handlers()[0].run(Telling(scene.job("backup", "drill")))
    assert facts(offered(scene, "latest"))["Takes about"] == "1.0 s, as the last drill did"
    assert "Takes about" not in facts(scene.handlers()[1].describe(scene.restored("latest")))


def test_a_plan_for_another_server_says_which_and_that_the_live_one_is_not_touched() -> None:
    scene = Elsewhere()
    scene.other.server = "7.0.1"
    card = offered(scene, "latest", "to", STAGING)
    assert str(card.title) == f"Restore {scene.backup} into shop on staging?"
    assert lines(card)[0] == ("This goes to another server, which runs MongoDB 7.0.1; the live shop is not touched.")
    assert facts(card)["From"] == "shop"
    assert facts(card)["Server"] == "MongoDB 7.0.1; the backup is of 6.0.5"


def test_a_server_of_which_nobody_knows_whether_it_is_the_live_one_can_be_restored_to() -> None:
    scene = Elsewhere()
    scene.other.faults.fail("database.same_server")
    assert scene.job("restore", "latest", "to", STAGING).target == STAGING


def test_a_backup_of_a_server_goes_back_to_it_as_to_its_own() -> None:
    scene = Elsewhere()
    done = scene.restored("latest", "to", STAGING)
    assert done.outcome is not None
    job = scene.job("restore", str(done.outcome.facts["safety"]), STAGING, "to", STAGING)
    assert (job.target, job.plan.arguments["source"]) == (STAGING, "")
    assert scene.run(job).state is JobState.DONE
    there = {name: each for name, each in scene.other.content().items() if not name.startswith("__")}
    assert there == scene.before


def test_a_name_that_leaves_no_room_for_a_second_one_is_refused() -> None:
    scene = Scene()
    scene.database.add("x" * 240)
    with pytest.raises(Refusal, match="too long to be restored safely: x"):
        scene.job("restore", "latest")
    assert scene.job("restore", "latest", "only", "orders").target == SHOP


def test_the_plan_of_an_undo_says_what_comes_back_and_what_was_written_since() -> None:
    scene = Scene()
    done = scene.restored("latest")
    scene.database.written_since = {"orders": 1200, "weather": 3}
    card = offered(scene, "undo", done.id)
    assert str(card.title) == f"Undo of restore {done.id} in shop?"
    assert lines(card)[:3] == [
        "What the restore replaced comes back: 5 collections, as they were at the switch.",
        "What is in shop now is kept in its place for 24 h.",
        "At least 1,203 documents were written since: orders 1,200, weather 3.",
    ]
    assert card.buttons[0].action == "confirm"


@pytest.mark.parametrize("hours", [0, 1, 24, 240])
def test_an_undo_counts_what_was_written_since_its_restore_whatever_the_settings_became(hours: int) -> None:
    scene = Scene()
    done = scene.restored("latest")
    scene.clock.advance(600)
    scene._given["keep_hours"] = hours
    scene.job("restore", "undo", done.id)
    assert scene.database.asked_since == done.created


def test_a_restore_counts_what_is_newer_than_the_moment_it_restores() -> None:
    scene = Followed()
    (manifest,) = Catalogue(SHOP, scene.store).listing().manifests
    scene.job("restore", "latest")
    assert scene.database.asked_since == manifest.moment
    scene.job("restore", second(15))
    assert scene.database.asked_since == OpTime(FIRST.seconds + 15, 0).moment


def test_the_plan_of_an_undo_says_when_nothing_is_kept_any_more() -> None:
    scene = Scene()
    done = scene.restored("latest")
    scene._given["keep_hours"] = 0
    assert lines(offered(scene, "undo", done.id))[1] == "What is in shop now is not kept: RESTORE_UNDO_HOURS is 0."


def test_the_plan_of_an_undo_without_anything_written_since_does_not_speak_of_it() -> None:
    scene = Scene()
    card = offered(scene, "undo", scene.restored("latest").id)
    assert len(lines(card)) == 3


@pytest.mark.parametrize(
    ("since", "told"),
    [
        ({"orders": 2, "weather": None}, "orders 2. In weather they could not be counted."),
        ({"weather": None}, "How many newer documents will be lost could not be counted in weather."),
    ],
)
def test_the_plan_of_an_undo_says_where_newer_documents_could_not_be_counted(
    since: dict[str, int | None], told: str
) -> None:
    scene = Scene()
    done = scene.restored("latest")
    scene.database.written_since = since
    assert lines(offered(scene, "undo", done.id))[2].endswith(told)


def test_an_undo_that_ended_says_nothing_of_what_would_happen_and_can_be_undone() -> None:
    scene = Scene()
    done = scene.restored("undo", scene.restored("latest").id)
    card = scene.handlers()[1].describe(done)
    assert lines(card) == ["The live data is what it was before the restore."]
    assert card.buttons[0].value == f"undo {done.id}"


def test_the_card_of_a_tidying_says_what_is_removed() -> None:
    scene = Scene()
    scene.restored("latest")
    scene.clock.advance(25 * 3600)
    card = scene.handlers()[1].describe(scene.restored("tidy"))
    assert str(card.title) == "Removing what old restores of shop kept: done"
    assert lines(card) == ["What 1 restores replaced was kept long enough and is gone."]


# -- what was confirmed, and what is true at work ------------------------------------------------------------------


def test_a_backup_that_is_another_than_was_confirmed_is_not_restored() -> None:
    scene = Scene()
    job = scene.job("restore", "latest")
    manifest = Catalogue(SHOP, scene.store).find(scene.backup)
    key = f"{manifest.data.key.rpartition('/')[0]}/manifest.json"
    scene.store.artifacts[key] = (replace(manifest, tool="another").to_bytes(), scene.clock.now())
    outcome = scene.run(job)
    assert outcome.state is JobState.FAILED
    assert str(outcome.text).startswith("The backup is not the one that was confirmed. Nothing was done.")
    assert scene.content() == scene.live


def test_a_backup_that_is_minutes_old_is_not_made_again_when_nothing_was_written_since() -> None:
    scene = Quiet()
    newest = scene.made_backup()
    scene.clock.advance(60)
    work = Telling(scene.job("restore", scene.backup))
    outcome = scene.handlers()[1].run(work)
    assert outcome.facts["safety"] == newest
    assert f"Nothing was written since backup {newest}, so it keeps what is live now." in work.notes
    assert len(said(scene).buttons) == 2


def test_a_backup_of_minutes_ago_that_failed_a_check_does_not_keep_what_is_live() -> None:
    scene = Quiet()
    newest = scene.made_backup()
    failed(scene, newest)
    scene.clock.advance(60)
    outcome = scene.handlers()[1].run(Telling(scene.job("restore", scene.backup)))
    assert outcome.facts["safety"] not in {None, newest, scene.backup}


def test_a_backup_of_minutes_ago_of_another_database_does_not_keep_what_is_replaced() -> None:
    scene = Quiet()
    scene.restored("latest", "into", "copy")
    newest = scene.made_backup()
    scene.clock.advance(60)
    outcome = scene.handlers()[1].run(Telling(scene.job("restore", "latest", "into", "copy")))
    assert outcome.facts["safety"] != newest
    kept = Catalogue(SHOP, scene.store).find(str(outcome.facts["safety"]))
    assert kept.database == "copy"


def test_an_undo_whose_collections_went_after_somebody_confirmed_changes_nothing() -> None:
    scene = Scene()
    done = scene.restored("latest")
    job = scene.job("restore", "undo", done.id)
    scene.clock.advance(25 * 3600)
    scene.restored("tidy")
    outcome = scene.run(job)
    assert outcome.state is JobState.FAILED
    assert str(outcome.text).startswith("What that restore replaced is not kept any more.")
    assert scene.content() == scene.saved
