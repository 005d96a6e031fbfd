"""Keys that encrypt data: nothing becomes unreadable, live or in a backup, whatever stops when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from handlers.core.backups.catalogue import Catalogue, folder
from handlers.core.formats.manifests import BackupKind, Manifest
from handlers.core.formats.objects import KeyNeeds, Packing, Stored, both
from handlers.core.rotation.data_key_books import DataKeyBook
from handlers.core.rotation.data_keys import Batch
from handlers.core.rotation.rotations import Rotations
from handlers.core.words.answers import BackupId, Confirm, Invocation, JobId, Plan, TargetName
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from handlers.rotate import RotateHandler
from tests.fakes import Faults, someone
from tests.handlers.test_restorations import Scene
from tests.handlers.test_rotations import DATA, SHOP, House, state_of, text_of

MONTH = 31 * 86_400


def backup(house: House, keys: KeyNeeds, made: datetime | None = None, seconds: int = 1) -> BackupId:
    """A backup that is kept, made now or then."""
    created = made or house.clock.now()
    own = BackupId(f"{created:%Y%m%dt%H%M%Sz}-aaaaaa")
    key = f"{folder(SHOP, own)}/data.archive.zst"
    manifest = Manifest(
        own, SHOP, "shop", "", BackupKind.SCHEDULED, created, seconds, "schedule", "schedule", JobId("a"),
        Stored(key, "00", 4), 4, Packing(), None, "", "100", "6", (), keys=keys,
    )  # fmt: skip
    house.artifacts.place(key, b"data")
    house.artifacts.place(f"{folder(SHOP, own)}/manifest.json", manifest.to_bytes())
    return own


def forget(house: House, own: BackupId) -> None:
    """As retention does."""
    house.artifacts.delete(f"{folder(SHOP, own)}/manifest.json")


def under(house: House) -> Mapping[str, str]:
    found = house.apps["data"].data
    assert found is not None
    return found


def test_a_new_key_is_read_everywhere_before_it_is_written_under_and_then_all_data_is_under_it() -> None:
    house = House()
    app = house.apps["data"]
    seen: list[tuple[str, bool]] = []
    app.meanwhile = lambda: seen.append((house.ring("data").active, app.readable()))
    job = house.done("data")
    assert (job.state, state_of(job)) == (JobState.DONE, "soaking")
    ring = house.ring("data")
    assert set(under(house).values()) == {ring.active}
    assert set(ring.keys) == {"k-first", ring.active}
    assert seen == [(ring.active, True)] * 3
    assert "all 8 pieces of data are under it" in text_of(house.desk.card(job))


def test_the_card_says_how_much_is_under_which_key_while_it_goes_on() -> None:
    house = House()
    progresses: list[str] = []
    job = house.queued("data")

    def count() -> None:
        house.clock.advance(2)
        found = house.desk.load(job)
        assert found is not None
        if found.progress is not None:
            progresses.append(str(found.progress.stage))

    house.apps["data"].meanwhile = count
    house.desk.work(job)
    assert any("still under older keys" in each for each in progresses), progresses


def test_who_writes_meanwhile_loses_nothing() -> None:
    house = House()
    app, written = house.apps["data"], iter(range(100, 104))

    def write() -> None:
        number = next(written, None)
        if number is not None:
            assert app.data is not None
            app.data[f"{number}"] = house.ring("data").active

    app.meanwhile = write
    house.done("data")
    assert len(under(house)) == 8 + 3
    assert set(under(house).values()) == {house.ring("data").active}


def test_a_key_that_a_kept_backup_needs_is_not_retired_until_retention_has_let_it_go() -> None:
    house = House()
    own = backup(house, {"data": ("k-first",)})
    house.done("data")
    house.clock.advance(MONTH)
    backup(house, {"data": (house.ring("data").active,)})
    assert f"1 backups that are kept need the old key of data; the newest is {own}" in house.said("data", "retire")
    assert "No secret is due" in house.said("due"), "nobody is reminded of what cannot be done yet"
    forget(house, own)
    assert state_of(house.done("data", "retire")) == "retired"
    assert list(house.ring("data").keys) == [house.ring("data").active]


@pytest.mark.parametrize("keys", [{}, {"data": None}], ids=["made before", "not known"])
def test_a_backup_that_does_not_say_what_it_needs_holds_the_keys_of_its_time(keys: KeyNeeds) -> None:
    house = House()
    own = backup(house, keys)
    house.done("data")
    house.clock.advance(MONTH)
    assert "need the old key" in house.said("data", "retire")
    forget(house, own)
    assert state_of(house.done("data", "retire")) == "retired"
    second = house.ring("data").active
    house.clock.advance(MONTH)
    older = backup(house, keys, house.clock.now() - timedelta(seconds=2 * MONTH + 200))
    house.done("data")
    house.clock.advance(MONTH)
    assert second in house.ring("data").keys
    assert state_of(house.done("data", "retire")) == "retired", f"{older} is older than that key"


def test_a_backup_that_ended_after_the_new_key_came_may_need_it() -> None:
    house = House()
    quick, slow = backup(house, {}), backup(house, {}, house.clock.now() + timedelta(seconds=1), seconds=600)
    house.done("data")
    holds, new = house.estate.holds, house.ring("data").active
    assert holds is not None
    assert [each.id for each in holds.holders(DATA, [new])] == [slow]
    assert [each.id for each in holds.holders(DATA, ["k-first"])] == [slow, quick]


@pytest.mark.parametrize("operation", ["backup.now", "restore.run"])
def test_a_backup_or_a_restore_at_work_holds_every_key(operation: str) -> None:
    house = House()
    house.done("data")
    house.clock.advance(MONTH)
    retiring = house.queued("data", "retire")
    now = house.clock.now()
    plan = Plan(operation, SHOP, {}, someone(), "C0OPS", now.isoformat(), "n")
    holds = house.estate.holds
    assert holds is not None
    holds.jobs.create(Job(JobId("atwork"), plan, JobState.RUNNING, now))
    house.desk.work(retiring)
    job = house.job(retiring)
    assert (job.state, "k-first" in house.ring("data").keys) == (JobState.FAILED, True)
    assert "is at work on shop" in text_of(house.desk.card(job))


def test_a_manifest_that_cannot_be_read_holds_every_key() -> None:
    house = House()
    house.artifacts.place(f"{folder(SHOP, BackupId('20260101t000000z-aaaaaa'))}/manifest.json", b"{}")
    house.done("data")
    house.clock.advance(MONTH)
    assert "nobody knows which keys it needs" in house.said("data", "retire")


def test_an_old_key_that_data_is_still_under_is_not_retired_also_when_it_came_back_after_the_plan() -> None:
    house = House()
    house.done("data")
    house.clock.advance(MONTH)
    retiring = house.queued("data", "retire")
    assert house.apps["data"].data is not None
    house.apps["data"].data["00"] = "k-first"  # an old backup was restored
    house.desk.work(retiring)
    job = house.job(retiring)
    assert (job.state, "k-first" in house.ring("data").keys) == (JobState.FAILED, True)
    assert "1 pieces of data of api are still under older keys" in text_of(house.desk.card(job))
    assert "still under older keys" in house.said("data", "retire")
    assert state_of(house.done("data", "reencrypt")) == "reencrypted"
    assert state_of(house.done("data", "retire")) == "retired"


def test_a_re_encryption_that_fails_undoes_nothing_and_goes_on_by_a_button() -> None:
    house = House()
    app = house.apps["data"]
    real = app.reencrypt

    def refuses(key: str, after: str) -> Batch:
        raise OutsideError(Text("It does not feel like it."), permanent=True)

    app.reencrypt = refuses  # type: ignore[method-assign]
    job = house.done("data")
    assert (job.state, state_of(job)) == (JobState.DONE, "soaking")
    card = text_of(house.desk.card(job))
    assert "It does not feel like it." in card
    assert "Re-encrypt the rest" in card
    assert (app.readable(), set(under(house).values())) == (True, {"k-first"})
    app.reencrypt = real  # type: ignore[method-assign]
    again = house.done("data", "reencrypt")
    assert (again.state, state_of(again)) == (JobState.DONE, "reencrypted")
    assert set(under(house).values()) == {house.ring("data").active}


def test_a_program_that_is_restarted_meanwhile_is_asked_again() -> None:
    house = House(Faults())
    job = house.queued("data")
    house.faults.fail("app.reencrypt", 2, after=True)
    house.desk.work(job)
    assert house.job(job).outcome.facts["left"] == 0  # type: ignore[union-attr]
    assert set(under(house).values()) == {house.ring("data").active}


def test_a_re_encryption_that_stays_at_one_place_ends() -> None:
    house = House()
    house.apps["data"].reencrypt = lambda key, after: Batch(0, 0, "x")  # type: ignore[method-assign]
    job = house.done("data")
    assert "stays at one place" in text_of(house.desk.card(job))


def test_data_that_keeps_coming_under_the_old_key_is_left_to_a_person_after_some_rounds() -> None:
    """A program of another team, of which nobody has told the bot, writes under the key that it knows."""
    house = House()
    app = house.apps["data"]

    def writes() -> None:
        assert app.data is not None
        app.data["00"] = "k-first"

    app.meanwhile = writes
    job = house.done("data")
    assert (job.state, state_of(job)) == (JobState.DONE, "soaking")
    card = text_of(house.desk.card(job))
    assert "1 pieces of data are under older keys" in card
    assert "Re-encrypt the rest" in card
    assert app.readable()
    app.meanwhile = lambda: None
    assert state_of(house.done("data", "reencrypt")) == "reencrypted"
    assert set(under(house).values()) == {house.ring("data").active}


def test_a_card_whose_work_is_none_of_several_steps_tells_how_far_it_is_instead_of_a_list() -> None:
    house = House()
    house.done("data")
    house.apps["data"].data = {f"{number:02}": "k-first" for number in range(8)}
    job, cards = house.queued("data", "reencrypt"), list[str]()
    house.apps["data"].meanwhile = lambda: cards.append(text_of(house.desk.card(house.job(job))))
    house.desk.work(job)
    assert "8 still under older keys" in cards[0]
    assert not any(mark in card for card in cards for mark in "✓▶○")


def test_where_nobody_looks_after_backups_only_live_data_holds_a_key() -> None:
    house = House()
    house.done("data")
    backup(house, {"data": ("k-first",)})
    house.clock.advance(MONTH)
    handler = RotateHandler(Rotations(replace(house.estate, holds=None)))
    asked = Invocation("rotate", ("data", "retire"), someone(), "C0OPS")
    app = house.apps["data"]
    assert app.data is not None
    app.data["00"] = "k-first"
    with pytest.raises(Refusal, match="1 pieces of data of api are still under older keys"):
        handler.ask(asked)
    app.data["00"] = house.ring("data").active
    answer = handler.ask(asked)
    assert isinstance(answer, Confirm)
    assert answer.draft.operation == "rotate.retire"
    assert "need the old key" in house.said("data", "retire")


def test_a_worker_that_was_replaced_during_a_re_encryption_does_no_further_batch() -> None:
    """The new one ends the rotation, for which no data is needed, and says that the data is not done."""
    house = House()
    app, job = house.apps["data"], house.queued("data")

    def hangs() -> None:
        app.meanwhile = lambda: None
        house.clock.advance(40)
        house.new_desk().tend()

    app.meanwhile = hangs
    house.desk.work(job)
    ended = house.job(job)
    assert (ended.state, state_of(ended)) == (JobState.DONE, "soaking")
    assert "What was there before is not all under it yet. `/rotate data reencrypt` goes on" in text_of(
        house.desk.card(ended)
    )
    assert house.faults.calls.count("app.reencrypt") == 1
    assert app.readable()
    assert state_of(house.done("data", "reencrypt")) == "reencrypted"
    assert set(under(house).values()) == {house.ring("data").active}


def test_what_nobody_can_open_is_left_as_it_is_and_counted() -> None:
    house = House()
    house.apps["data"].damaged = {"00", "05"}
    job = house.done("data")
    assert "2 pieces of data are under older keys" in text_of(house.desk.card(job))
    assert {each for each, key in under(house).items() if key == "k-first"} == {"00", "05"}
    house.clock.advance(MONTH)
    assert "2 pieces of data of api are still under older keys" in house.said("data", "retire")


def test_a_replica_that_does_not_know_the_new_key_stops_it_before_anything_is_written_under_it() -> None:
    house = House()
    house.apps["data"].lame = {1}
    job = house.done("data")
    assert state_of(job) == "rolled_back"
    assert set(under(house).values()) == {"k-first"}
    assert house.apps["data"].readable()


def test_a_key_of_data_has_no_emergency() -> None:
    assert "has no emergency" in House().said("data", "now!")


def test_only_what_encrypts_data_is_re_encrypted() -> None:
    assert "encrypts no data" in House().said("jwt", "reencrypt")


def test_a_next_rotation_begins_while_an_old_key_waits_for_backups_and_all_go_in_the_end() -> None:
    house = House()
    own = backup(house, {"data": ("k-first",)})
    house.done("data")
    assert "still keeps the old value" in house.said("data")
    house.clock.advance(3 * MONTH)
    second = house.ring("data").active
    assert state_of(house.done("data")) == "soaking"
    third = house.ring("data").active
    assert set(house.ring("data").keys) == {"k-first", second, third}
    house.clock.advance(MONTH)
    assert "need the old key" in house.said("data", "retire")
    forget(house, own)
    assert state_of(house.done("data", "retire")) == "retired"
    assert list(house.ring("data").keys) == [third]
    assert len(house.secrets.versions("data")) == 1


def test_a_rotation_that_is_rolled_back_keeps_the_new_key_for_what_is_under_it() -> None:
    house = House()
    house.done("data")
    new = house.ring("data").active
    assert state_of(house.done("data", "rollback")) == "rolled_back"
    assert (house.ring("data").active, new in house.ring("data").keys) == ("k-first", True)
    assert house.apps["data"].readable()


# -- what backups say, and restores ask ------------------------------------------------------------------------------


def book(house: House) -> DataKeyBook:
    return DataKeyBook(house.estate, SHOP)


def manifest(house: House, keys: KeyNeeds) -> Manifest:
    own = backup(house, keys)
    return Catalogue(SHOP, house.artifacts).find(own)


def test_a_backup_says_which_keys_its_data_was_under_before_or_after() -> None:
    house = House()
    assert book(house).used() == {"data": ("k-first",)}
    house.done("data")
    assert book(house).used() == {"data": (house.ring("data").active,)}
    assert both({"data": ("a",)}, {"data": ("b",)}) == {"data": ("a", "b")}
    assert both({"data": ("a",)}, {"data": None}) == both({"data": ("a",)}, {}) == {"data": None}


def test_a_program_that_does_not_answer_makes_it_not_known() -> None:
    house = House(Faults())
    house.faults.fail("app.encrypted")
    assert book(house).used() == {"data": None}


def test_keys_of_other_targets_are_not_asked_for() -> None:
    house = House(None, replace(DATA, targets=("elsewhere",)))
    assert book(house).used() == {}


def test_a_restore_whose_key_is_gone_is_told_so() -> None:
    house = House()
    old = manifest(house, {"data": ("k-first",)})
    house.clock.advance(60)
    strange = manifest(house, {"other": ("k-1",)})
    assert book(house).missing(old) == ()
    house.secrets.put(
        "data", house.ring("data").accepting("", "k-2", "x").signing("", "k-2").alone("").sealed().reveal()
    )
    assert "The key k-first of data is gone" in str(book(house).missing(old)[0])
    assert "other, which is not managed any more" in str(book(house).missing(strange)[0])


def test_a_restore_of_a_backup_that_does_not_know_is_told_of_keys_that_were_retired_since() -> None:
    house = House()
    house.done("data")
    house.clock.advance(MONTH)
    house.done("data", "retire")
    house.clock.advance(60)
    assert book(house).missing(manifest(house, {})) == ()
    old = replace(manifest(house, {}), created=house.clock.now() - timedelta(days=60))
    assert "The key k-first of data is gone" in str(book(house).missing(old)[0])


def test_a_store_that_cannot_be_asked_does_not_stop_the_plan_of_a_restore() -> None:
    house = House(Faults())
    old = manifest(house, {"data": ("k-first",)})
    house.faults.fail("secrets.look")
    assert "could not be looked up" in str(book(house).missing(old)[0])


class Noted:
    """Data keys as told."""

    def __init__(self, *used: KeyNeeds) -> None:
        self._used = list(used)

    def used(self) -> KeyNeeds:
        return self._used.pop(0)

    def missing(self, manifest: Manifest) -> tuple[Text, ...]:
        return (Text("The key {key} is gone.", key=str(manifest.keys)),)


def test_a_backup_asks_before_and_after_and_the_plan_of_a_restore_says_what_is_missing() -> None:
    scene = Scene()
    noted = Noted({"data": ("a",)}, {"data": ("b",)})
    scene.targets = {TargetName("shop"): replace(scene.targets[TargetName("shop")], data_keys=noted)}
    scene.clock.advance(60)
    own = scene.made_backup()
    assert Catalogue(TargetName("shop"), scene.store).find(own).keys == {"data": ("a", "b")}
    offered = replace(scene.job("restore", own), state=JobState.OFFERED)
    card = text_of(scene.handlers()[1].describe(offered))
    assert "The key {'data': ('a', 'b')} is gone." in card
