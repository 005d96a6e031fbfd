"""The rota: what is done without anybody asking, once over all bots, through deaths, lost memory and wrong clocks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.core.backups.gaps import Gaps
from handlers.core.backups.rota import Chore, Duty, Rota, noted
from handlers.core.backups.schedules import Schedule, Ticks
from handlers.core.door.alarms import Alarms
from handlers.core.door.desk import Began
from handlers.core.formats.manifests import BackupKind
from handlers.core.words.answers import Invocation, JobId, Surface
from handlers.core.words.errors import Problem
from handlers.core.words.jobs import Job, JobState
from tests.fakes import Faults, Killed, someone
from tests.handlers.test_prunings import DAY, NOW, SHOP, House

HOUR = timedelta(hours=1)
NIGHTLY = Schedule("backup", "0 2 * * *")


class Night(House):
    """A house whose workers keep the rota. It is 01:00; the schedule is for 02:00."""

    def __init__(self, workers: int = 1, schedule: Schedule | None = NIGHTLY, faults: Faults | None = None) -> None:
        super().__init__(faults=faults or Faults())
        self.clock.moment = NOW - HOUR * 2
        self.database.add("orders", [{"_id": 1}])
        self.schedule = schedule
        self.duty: Duty | None = None
        self.rotas = [self.new_rota() for _ in range(workers)]

    def new_rota(self) -> Rota:
        """Another process."""
        desk = self.new_desk()
        alarms = Alarms(self.state, self.audit, self.clock, self.entropy)
        duty = self.duty or Duty(self.schedule, "T0LOCAL", "C0OPS")
        return Rota(desk, self.holdings, alarms, self.state, self.clock, duty)

    def rounds(self, *, work: bool = True) -> None:
        """One round in every worker, and then the queue."""
        for rota in self.rotas:
            rota.round(SHOP)
        while work and self.queue.jobs:
            self.queue.hand_out(self.desk.work)

    def killed_at(self, call: int, *, after: bool) -> bool:
        """A worker is killed at so many calls outside of one round; False when the round has fewer. Others live on."""
        self.faults.kill("*", call, after=after)
        try:
            self.rounds(work=False)
        except Killed:
            self.faults.revive()
            return True
        return False

    def pass_time(self, length: timedelta, step: timedelta = timedelta(minutes=10)) -> None:
        end = self.clock.moment + length
        while self.clock.moment < end:
            self.clock.moment += step
            self.rounds()

    def jobs(self, operation: str) -> list[Job]:
        found = [self.desk.load(JobId(key.removeprefix("job:"))) for key in self.state.keys("job:")]
        return sorted(
            (job for job in found if job is not None and job.plan.operation == operation), key=lambda job: job.created
        )

    def made(self) -> list[str]:
        return [f"{each.created:%d %H:%M}" for each in reversed(self.catalogue.listing().manifests)]


def test_at_the_tick_a_backup_is_made_and_then_old_ones_are_looked_at() -> None:
    night = Night()
    night.rounds()
    assert night.jobs("backup.now") == []
    night.pass_time(HOUR * 2)
    (backup,), (pruning,) = night.jobs("backup.now"), night.jobs("backup.prune")
    assert backup.state is pruning.state is JobState.DONE
    assert pruning.created > backup.created
    assert (backup.plan.actor.person, backup.plan.channel) == ("schedule", "C0OPS")
    (manifest,) = night.catalogue.listing().manifests
    assert manifest.kind is BackupKind.SCHEDULED


def test_a_backup_knows_the_local_time_it_was_made_at() -> None:
    night = Night()
    answer = night.desk.ask(Invocation("backup", ("now",), someone(), "C0OPS"))
    assert isinstance(answer, Began)
    assert night.jobs("backup.now")[0].plan.arguments == {"kind": "manual", "offset_seconds": 0}


def test_old_ones_are_looked_at_also_when_the_backup_failed() -> None:
    night = Night()
    night.faults.fail("database.dump", 1)
    night.pass_time(HOUR * 2)
    assert [job.state for job in night.jobs("backup.now")] == [JobState.FAILED]
    assert len(night.jobs("backup.prune")) == 1


@pytest.mark.parametrize("workers", [2, 5])
def test_over_many_workers_each_tick_is_run_once(workers: int) -> None:
    night = Night(workers)
    night.pass_time(HOUR * 28, HOUR / 2)
    assert night.made() == ["25 02:00", "26 02:00"]
    assert len(night.jobs("backup.now")) == len(night.jobs("backup.prune")) == 2


def test_a_bot_that_begins_for_the_first_time_makes_up_for_nothing() -> None:
    night = Night()
    night.clock.moment = NOW + HOUR
    night.pass_time(HOUR * 2)
    assert night.jobs("backup.now") == []


def test_whoever_is_at_work_is_waited_for() -> None:
    night = Night()
    answer = night.desk.ask(Invocation("backup", ("now",), someone(), "C0OPS"))
    assert isinstance(answer, Began)
    waiting, night.queue.jobs[:] = list(night.queue.jobs), []
    night.rounds()
    for _ in range(9):
        night.clock.advance(600)
        night.rounds()
    assert len(night.jobs("backup.now")) == 1
    night.queue.jobs[:] = waiting
    night.pass_time(HOUR)
    assert [job.plan.actor.person for job in night.jobs("backup.now")] == ["U0SARA", "schedule"]


def test_a_tick_that_somebody_at_work_kept_from_running_too_long_is_told() -> None:
    night = Night()
    night.rounds()
    answer = night.desk.ask(Invocation("backup", ("now",), someone(), "C0OPS"))
    assert isinstance(answer, Began)
    night.queue.jobs.clear()
    for _ in range(8):
        night.clock.advance(3600)
        night.rounds()
    (told,) = night.jobs("backup.missed")
    assert "1 times" in str(told.outcome.text if told.outcome else "")
    assert night.desk.card(told).tone.value == "bad"


def test_after_an_outage_the_newest_missed_tick_is_run_and_the_others_are_told_once() -> None:
    night = Night(3)
    night.pass_time(HOUR * 2)
    night.clock.moment += DAY * 5  # nobody ran
    night.pass_time(HOUR)
    assert night.made() == ["25 02:00", "30 03:10"]
    (told,) = night.jobs("backup.missed")
    assert told.outcome is not None
    assert told.outcome.facts["missed"] == 4


def test_what_is_too_old_is_told_and_not_run() -> None:
    night = Night()
    night.pass_time(HOUR * 2)
    night.clock.moment += DAY + HOUR * 6
    night.rounds()
    assert night.made() == ["25 02:00"]
    assert len(night.jobs("backup.missed")) == 1


@pytest.mark.parametrize("back", [timedelta(minutes=30), HOUR * 5, DAY * 2])
def test_a_clock_that_goes_back_runs_no_tick_twice(back: timedelta) -> None:
    night = Night(2)
    night.pass_time(HOUR * 2)
    night.clock.moment -= back
    before = len(night.jobs("backup.now"))
    night.pass_time(back)
    ticks = [f"{job.plan.created[:13]}" for job in night.jobs("backup.now")]
    assert len(night.jobs("backup.now")) == before or len(set(ticks)) == len(ticks)
    night.pass_time(DAY)
    assert "26 02:00" in night.made()


def test_a_clock_that_goes_back_tells_of_nothing_missed_that_was_run() -> None:
    night = Night(2, Schedule("backup", "0 * * * *"))
    night.pass_time(HOUR * 8)
    assert night.jobs("backup.missed") == []
    before = len(night.jobs("backup.now"))
    night.clock.moment -= HOUR * 2
    night.pass_time(HOUR)
    assert night.jobs("backup.missed") == []
    assert len(night.jobs("backup.now")) == before


def test_a_clock_that_was_400_days_ahead_for_a_night_silences_no_later_night() -> None:
    night = Night()
    night.pass_time(HOUR * 2)
    night.clock.moment += DAY * 400
    night.pass_time(HOUR)
    night.clock.moment -= DAY * 400
    night.pass_time(DAY * 2)
    assert {"26 02:00", "27 02:00"} <= set(night.made())


def test_memory_lost_after_a_backup_makes_no_second_one() -> None:
    night = Night()
    night.pass_time(HOUR * 2)
    night.state.flush()
    night.pass_time(HOUR * 3)
    assert night.made() == ["25 02:00"]


def test_memory_lost_before_a_tick_loses_no_backup() -> None:
    night = Night()
    night.pass_time(HOUR * 2)
    night.pass_time(HOUR * 22)
    night.state.flush()
    night.pass_time(HOUR * 2)
    assert "26 02:00" in night.made()


def test_memory_lost_and_nobody_there_at_the_tick_is_caught_up() -> None:
    night = Night()
    night.pass_time(HOUR * 2)
    night.state.flush()
    night.clock.moment += HOUR * 24
    night.rounds()
    assert night.made() == ["25 02:00", "26 03:00"]


def test_old_ones_are_not_looked_at_while_another_bot_asks_for_the_backup() -> None:
    night = Night()
    night.rounds()
    night.clock.moment += HOUR
    Ticks(night.state, NIGHTLY, SHOP).claim(night.clock.moment)
    night.rounds()
    assert night.jobs("backup.prune") == night.jobs("backup.now") == []


def test_what_was_missed_is_told_once_while_whoever_is_at_work_is_waited_for() -> None:
    night = Night(2)
    night.pass_time(HOUR * 2)
    night.clock.moment += DAY * 3
    assert isinstance(night.desk.ask(Invocation("backup", ("now",), someone(), "C0OPS")), Began)
    night.queue.jobs.clear()
    for _ in range(5):
        night.clock.advance(200)
        night.rounds()
    assert len(night.jobs("backup.missed")) == 1


def test_a_bot_that_dies_anywhere_in_the_round_of_a_tick_loses_no_backup_and_makes_no_second_one() -> None:
    covered = 0
    for after in (False, True):
        for nth in range(1, 200):
            night = Night()
            night.rounds()
            night.clock.moment = NOW - HOUR + timedelta(seconds=1)
            if not night.killed_at(nth, after=after):
                break
            covered += 1
            night.rotas = [night.new_rota()]
            night.desk = night.new_desk()
            for _ in range(20):
                night.clock.advance(30)
                night.rounds()
                night.desk.tend()
            backups = [job for job in night.jobs("backup.now") if job.state is JobState.DONE]
            assert len(backups) == 1, (nth, after)
    assert covered > 20


def test_what_is_refused_is_told() -> None:
    night = Night()
    night.rounds()
    night.rotas[0]._duty = Duty(NIGHTLY, "T0LOCAL", "C0OPS")
    permissions = dict(night.desk._handlers["backup"].permissions)
    for rota in night.rotas:
        del permissions["backup.now"]
        rota._desk._handlers["backup"].permissions = permissions  # type: ignore[misc]
    night.pass_time(HOUR * 2)
    (told,) = night.jobs("backup.missed")
    assert "refused" in str(told.outcome.text if told.outcome else "")


def test_behind_a_gap_in_the_saved_oplog_a_backup_is_made_at_once_and_told_of_once_over_all_workers() -> None:
    night = Night(workers=3)
    night.database.deployment = "rs0"
    night.rounds()
    Gaps(night.state, SHOP).note(night.clock.now(), "The oplog no longer reaches back.")
    night.pass_time(HOUR / 2)
    assert len(night.jobs("backup.now")) == 1
    (told,) = night.jobs("backup.gap")
    assert told.outcome is not None
    assert "reaches back. Moments inside it cannot be restored." in str(told.outcome.text)
    card = night.desk.card(told)
    assert (str(card.title), card.tone.value) == ("The saved oplog of shop has a gap", "bad")
    assert Gaps(night.state, SHOP).open() is None


def test_what_a_restore_kept_is_no_backup_behind_a_gap() -> None:
    night = Night()
    night.database.deployment = "rs0"
    night.rounds()
    Gaps(night.state, SHOP).note(night.clock.now(), "")
    night.clock.advance(60)
    night.add(night.clock.now(), BackupKind.PRE_RESTORE, torn=False)
    night.pass_time(HOUR / 3)
    assert len(night.jobs("backup.now")) == 1


def test_a_backup_behind_a_gap_that_fails_is_made_again_an_hour_later() -> None:
    night = Night()
    night.database.deployment = "rs0"
    night.clock.moment += HOUR * 3  # away from the tick
    night.rounds()
    night.faults.fail("database.dump", 1)
    Gaps(night.state, SHOP).note(night.clock.now(), "The oplog no longer reaches back.")
    night.pass_time(HOUR / 2)
    assert [job.state for job in night.jobs("backup.now")] == [JobState.FAILED]
    night.pass_time(HOUR)
    assert [job.state for job in night.jobs("backup.now")] == [JobState.FAILED, JobState.DONE]
    assert len(night.jobs("backup.gap")) == 1


def test_the_backup_behind_a_restore_gives_who_wants_it_undone_a_quarter_of_an_hour() -> None:
    night = Night()
    night.database.deployment = "rs0"
    night.rounds()
    Gaps(night.state, SHOP).note(night.clock.now(), "")
    night.pass_time(timedelta(minutes=14), timedelta(minutes=1))
    assert night.jobs("backup.now") == []
    night.pass_time(timedelta(minutes=2), timedelta(minutes=1))
    assert len(night.jobs("backup.now")) == 1
    assert night.jobs("backup.gap") == []


def test_without_a_schedule_a_gap_is_told_and_ends_with_the_backup_that_somebody_makes() -> None:
    night = Night(workers=2, schedule=None)
    night.database.deployment = "rs0"
    night.rounds()
    Gaps(night.state, SHOP).note(night.clock.now(), "The oplog no longer reaches back.")
    night.pass_time(HOUR * 3)
    (told,) = night.jobs("backup.gap")
    assert told.outcome is not None
    assert "make one with `/backup now shop`. None is made by itself" in str(told.outcome.text)
    assert night.jobs("backup.now") == []
    night.run("now", actor=someone())
    night.pass_time(HOUR)
    assert Gaps(night.state, SHOP).open() is None


def test_without_a_schedule_nothing_is_begun() -> None:
    night = Night(schedule=None)
    night.pass_time(DAY * 3)
    assert night.jobs("backup.now") == night.jobs("backup.prune") == []


# -- the alarm -----------------------------------------------------------------------------------------------------


def test_26_hours_without_a_good_backup_are_one_card_over_all_workers_until_there_is_one_again() -> None:
    night = Night(3, schedule=None)
    night.add(night.clock.moment - HOUR * 20)
    night.pass_time(HOUR * 5, HOUR)
    assert night.jobs("backup.stale") == []
    night.pass_time(HOUR * 5, HOUR)
    (alarm,) = night.jobs("backup.stale")
    card = night.desk.card(alarm)
    assert card.tone.value == "bad"
    assert "/backup now shop" in str(card.lines[0])
    night.pass_time(DAY * 3, HOUR)
    assert len(night.jobs("backup.stale")) == 1
    night.add(night.clock.moment)
    night.pass_time(HOUR, HOUR)
    (alarm,) = night.jobs("backup.stale")
    assert night.desk.card(alarm).tone.value == "good"
    assert night.state.keys("alarm:") == ()
    night.pass_time(HOUR * 30, HOUR)
    assert len(night.jobs("backup.stale")) == 2
    assert night.events("alarm.raised", "alarm.over") == ["alarm.raised", "alarm.over", "alarm.raised"]


def test_a_database_that_never_had_a_backup_is_an_alarm_after_26_hours() -> None:
    night = Night(schedule=None)
    night.pass_time(HOUR * 25, HOUR)
    assert night.jobs("backup.stale") == []
    night.pass_time(HOUR * 4, HOUR)
    (alarm,) = night.jobs("backup.stale")
    assert "no good backup" in str(alarm.outcome.text if alarm.outcome else "").lower()


def test_a_copy_that_failed_its_check_does_not_still_the_alarm() -> None:
    night = Night(schedule=None)
    night.add(night.clock.moment - HOUR * 40)
    night.failed.add(night.add(night.clock.moment))
    night.pass_time(HOUR, HOUR)
    assert len(night.jobs("backup.stale")) == 1


def test_an_alarm_whose_bot_died_while_raising_it_is_raised() -> None:
    for call in ("state.put_if", "audit.write"):
        for nth in range(1, 12):
            for after in (False, True):
                night = Night(schedule=None)
                night.add(night.clock.moment - HOUR * 40)
                night.faults.kill(call, nth, after=after)
                with suppress(Killed):
                    night.rounds()
                night.faults.revive()
                night.rotas = [night.new_rota()]
                night.desk = night.new_desk()
                night.clock.advance(120)
                night.rounds()
                shown = [key.removeprefix("dirty:") for key in night.state.keys("dirty:")]
                assert [job.id for job in night.jobs("backup.stale")] == shown, (call, nth, after)
                assert len(night.jobs("backup.stale")) == 1, (call, nth, after)


def test_the_age_of_the_newest_good_copy_is_noted() -> None:
    night = Night(schedule=None)
    made = night.clock.moment - HOUR * 3
    night.add(made)
    night.add(made - DAY)
    night.failed.add(night.add(night.clock.moment - HOUR))
    assert noted(night.state, {SHOP: None}) == {}
    night.rounds()
    fresh = noted(night.state, {SHOP: None})[SHOP]
    assert (fresh.newest, fresh.good) == (made, 2)


@settings(max_examples=10)
@given(
    st.lists(st.tuples(st.sampled_from(["wait", "die", "flush", "back", "fail"]), st.integers(1, 60)), max_size=8),
    st.integers(1, 3),
)
def test_whatever_happens_no_night_is_lost_in_the_end(story: list[tuple[str, int]], workers: int) -> None:
    night = Night(workers)
    night.rounds()
    night.pass_time(HOUR * 2)
    for what, number in story:
        match what:
            case "wait":
                night.clock.advance(number * 600)
            case "flush":
                night.state.flush()
            case "back":
                night.clock.advance(-number * 60)
            case "fail":
                night.faults.fail("*", number)
            case _:
                night.faults.kill("*", number)
        try:
            night.rounds()
        except (Killed, Problem):
            night.faults.revive()
            night.rotas = [night.new_rota() for _ in range(workers)]
            night.desk = night.new_desk()
    night.faults.revive()
    before = set(night.made())
    for _ in range(40):
        night.clock.advance(3600)
        night.desk.tend()
        night.rounds()
    assert len(set(night.made()) - before) >= 1


CHECK = Chore(Schedule("scrub", "30 3 * * *"), "backup", ("verify",))


def test_a_chore_is_asked_for_once_at_each_of_its_ticks_over_all_workers() -> None:
    night = Night(workers=3)
    night.duty = Duty(NIGHTLY, "T0LOCAL", "C0OPS", chores=(CHECK,))
    night.rotas = [night.new_rota() for _ in range(3)]
    night.pass_time(timedelta(days=3))
    checks = night.jobs("backup.verify")
    assert [job.created.strftime("%H:%M") for job in checks] == ["03:30"] * 3
    assert {job.plan.actor.surface for job in checks} == {Surface.SCHEDULE}


def test_of_a_server_that_is_only_restored_to_nothing_is_made_and_only_what_restores_kept_is_removed() -> None:
    night = Night()
    verify = Chore(Schedule("verify", "20 * * * *"), "backup", ("verify",))
    tidy = Chore(Schedule("tidy", "20 * * * *"), "restore", ("tidy",))
    night.duty = Duty(NIGHTLY, "T0LOCAL", "C0OPS", chores=(verify, tidy), servers=frozenset({SHOP}))
    night.rotas = [night.new_rota()]
    night.pass_time(HOUR * 3)
    assert night.jobs("backup.now") == night.jobs("backup.prune") == night.jobs("backup.verify") == []
    assert Ticks(night.state, tidy.schedule, SHOP).last() is not None
    assert Ticks(night.state, verify.schedule, SHOP).last() is None


def test_on_a_server_that_is_only_restored_to_old_copies_that_restores_kept_go_every_night() -> None:
    night = Night()
    night.servers = frozenset({SHOP})
    night.desk = night.new_desk()
    night.duty = Duty(NIGHTLY, "T0LOCAL", "C0OPS", servers=frozenset({SHOP}))
    night.rotas = [night.new_rota() for _ in range(2)]
    old = [night.add(night.clock.moment - DAY * days, BackupKind.PRE_RESTORE) for days in (30, 20, 2)]
    night.pass_time(DAY * 2)
    assert len(night.jobs("backup.prune")) == 2
    assert night.jobs("backup.now") == []
    assert night.listed() == old[2:]


def test_a_chore_waits_for_who_is_at_work() -> None:
    night = Night()
    night.duty = Duty(None, "T0LOCAL", "C0OPS", chores=(CHECK,))
    night.rotas = [night.new_rota()]
    night.rounds()
    night.clock.moment = NOW + HOUR * 3
    begun = night.desk.ask(Invocation("backup", ("now",), someone(), "C0OPS"))
    assert isinstance(begun, Began)
    night.rounds(work=False)
    assert night.jobs("backup.verify") == []
    night.desk.work(begun.job)
    night.rounds()
    assert len(night.jobs("backup.verify")) == 1


# -- two at once, and a bot that died between two steps ------------------------------------------------------------


def when_claimed(night: Night, name: str, act: Callable[[], object]) -> None:
    """Something else happens once, as soon as a tick of that schedule was claimed."""
    put_if, waiting = night.state.put_if, [act]

    def claimed(
        key: str, value: bytes, version: str | None, *, seconds: int | None = None, touch: str = ""
    ) -> str | None:
        done = put_if(key, value, version, seconds=seconds, touch=touch)
        if waiting and done is not None and value == b"" and key.startswith(f"tick:{name}:"):
            waiting.pop()()
        return done

    night.state.put_if = claimed  # type: ignore[method-assign]


def asked_by_sara(night: Night) -> JobId:
    """Somebody is at work on the target from now on."""
    answer = night.desk.ask(Invocation("backup", ("pin", night.listed()[0]), someone(), "C0OPS"))
    assert isinstance(answer, Began)
    night.queue.jobs.clear()
    return answer.job


def test_somebody_who_is_faster_than_the_schedule_is_waited_for_and_its_backup_is_made_after() -> None:
    night = Night()
    night.add(night.clock.moment - HOUR)
    night.rounds()
    night.clock.moment = NOW - HOUR
    begun: list[JobId] = []
    when_claimed(night, "backup", lambda: begun.append(asked_by_sara(night)))
    night.rounds(work=False)
    assert night.jobs("backup.now") == night.jobs("backup.missed") == []
    night.desk.work(begun[0])
    night.rounds()
    assert [job.state for job in night.jobs("backup.now")] == [JobState.DONE]
    assert night.jobs("backup.missed") == []


@pytest.mark.parametrize(
    ("name", "duty"),
    [
        ("prune", Duty(NIGHTLY, "T0LOCAL", "C0OPS")),
        (
            "again",
            Duty(None, "T0LOCAL", "C0OPS", chores=(Chore(Schedule("again", "0 2 * * *"), "backup", ("prune",)),)),
        ),
    ],
)
def test_somebody_who_is_faster_than_a_pruning_or_a_chore_is_waited_for(name: str, duty: Duty) -> None:
    night = Night()
    night.duty = duty
    night.rotas = [night.new_rota()]
    night.add(night.clock.moment - HOUR)
    night.rounds()
    night.clock.moment = NOW - HOUR
    begun: list[JobId] = []
    when_claimed(night, name, lambda: begun.append(asked_by_sara(night)))
    for _ in range(6):
        night.rounds()
    assert len(begun) == 1
    assert night.jobs("backup.prune") == []
    night.desk.work(begun[0])
    for _ in range(6):
        night.rounds()
    assert [job.state for job in night.jobs("backup.prune")] == [JobState.DONE]
    assert night.jobs("backup.missed") == []


def test_a_backup_that_a_bot_asked_for_before_it_died_is_the_one_of_the_tick() -> None:
    night = Night()
    night.rounds()
    night.clock.moment = NOW - HOUR
    answer = night.desk.ask(Invocation("backup", ("now", SHOP), night.rotas[0]._duty.actor, "C0OPS"))
    assert isinstance(answer, Began)
    night.rounds(work=False)
    assert [job.id for job in night.jobs("backup.now")] == [answer.job]
    ticks = Ticks(night.state, NIGHTLY, SHOP)
    assert (ticks.job(night.clock.moment), ticks.last()) == (answer.job, night.clock.moment)
    night.pass_time(HOUR * 2)
    assert night.made() == ["25 02:00"]


def test_while_another_bot_asks_for_the_pruning_no_second_one_is_asked_for() -> None:
    night = Night()
    night.rounds()
    night.clock.moment = NOW - HOUR
    pruning = Ticks(night.state, Schedule("prune", NIGHTLY.line), SHOP)
    claim = pruning.claim(night.clock.moment)
    assert claim is not None
    for _ in range(3):
        night.rounds()
    assert len(night.jobs("backup.now")) == 1
    assert night.jobs("backup.prune") == []
    pruning.release(claim)
    night.rounds()
    assert len(night.jobs("backup.prune")) == 1


def test_a_chore_whose_bot_died_once_it_was_begun_is_not_begun_again() -> None:
    night = Night()
    night.duty = Duty(None, "T0LOCAL", "C0OPS", chores=(CHECK,))
    night.rotas = [night.new_rota()]
    night.add(night.clock.moment - HOUR)
    night.rounds()
    night.clock.moment = tick = NOW + HOUR / 2
    ticks = Ticks(night.state, CHECK.schedule, SHOP)
    claim = ticks.claim(tick)
    assert claim is not None
    ticks.record(claim, JobId("abcdefghijkl"))
    night.rounds()
    assert night.jobs("backup.verify") == []
    assert ticks.last() == tick


def test_a_pruning_that_is_refused_is_told() -> None:
    night = Night()
    night.rounds()
    permissions = dict(night.desk._handlers["backup"].permissions)
    del permissions["backup.prune"]
    night.rotas[0]._desk._handlers["backup"].permissions = permissions  # type: ignore[misc]
    night.pass_time(HOUR * 2)
    assert len(night.made()) == 1
    assert night.jobs("backup.prune") == []
    (told,) = night.jobs("backup.missed")
    assert "What the schedule asked for was refused" in str(told.outcome.text if told.outcome else "")


def test_without_a_schedule_nothing_is_pruned_on_a_server_that_is_only_restored_to() -> None:
    night = Night()
    tidy = Chore(Schedule("tidy", "20 * * * *"), "restore", ("tidy",))
    night.servers = frozenset({SHOP})
    night.desk = night.new_desk()
    night.duty = Duty(None, "T0LOCAL", "C0OPS", chores=(tidy,), servers=frozenset({SHOP}))
    night.rotas = [night.new_rota()]
    old = [night.add(night.clock.moment - DAY * days, BackupKind.PRE_RESTORE) for days in (30, 20)]
    night.pass_time(HOUR * 3)
    assert night.listed() == old
    assert night.jobs("backup.prune") == []
    assert Ticks(night.state, tidy.schedule, SHOP).last() is not None
