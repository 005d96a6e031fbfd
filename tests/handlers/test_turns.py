"""Turns: a tick that comes due while its lane is taken waits, is run once, and is told only when it waited too long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from handlers.core.backups.rota import Chore, Duty
from handlers.core.backups.schedules import Schedule, Ticks
from handlers.core.door.desk import Began, Said
from handlers.core.door.records import Jobs
from handlers.core.words.answers import Invocation, JobId, Surface
from handlers.core.words.jobs import Job, JobState
from tests.fakes import someone
from tests.handlers.test_prunings import NOW, SHOP
from tests.handlers.test_rota import CHECK, HOUR, NIGHTLY, Night, asked_by_sara, when_claimed

MINUTE = timedelta(minutes=1)
PROVED = NOW + HOUR / 2  # when the check is due


def proving(workers: int = 2) -> Night:
    """A night with a check at 03:30, a backup to check, and nothing else by the clock."""
    night = Night(workers)
    night.duty = Duty(None, "T0LOCAL", "C0OPS", chores=(CHECK,))
    night.rotas = [night.new_rota() for _ in range(workers)]
    night.add(night.clock.moment - HOUR)
    night.rounds()
    night.clock.moment = PROVED - MINUTE
    return night


def drilled_by_sara(night: Night) -> JobId:
    """She takes the lane of proofs; the lane of backups is free."""
    return begun(night, "drill")


def begun(night: Night, word: str) -> JobId:
    answer = night.desk.ask(Invocation("backup", (word,), someone(), "C0OPS"))
    assert isinstance(answer, Began)
    night.queue.jobs.clear()
    return answer.job


def look(night: Night, length: timedelta, step: timedelta = timedelta(minutes=10)) -> None:
    """Rounds in which no job is worked on."""
    end = night.clock.moment + length
    while night.clock.moment < end:
        night.clock.moment += step
        night.rounds(work=False)


def told(night: Night) -> list[str]:
    return [str(job.outcome.text) for job in night.jobs("backup.missed") if job.outcome is not None]


def asked_by_schedule(night: Night) -> int:
    asked = [each.actor for each in night.audit.events if each.event == "asked"]
    return sum(actor is not None and actor.surface is Surface.SCHEDULE for actor in asked)


# -- waiting -------------------------------------------------------------------------------------------------------


def test_a_tick_whose_own_lane_is_taken_waits_and_is_run_once_over_all_workers() -> None:
    night = proving()
    drill = drilled_by_sara(night)
    look(night, HOUR * 5)
    assert night.jobs("backup.verify") == []
    assert told(night) == []
    night.desk.work(drill)
    night.rounds()
    night.pass_time(HOUR * 3)
    (check,) = night.jobs("backup.verify")
    assert (check.state.final, check.plan.actor.surface) == (True, Surface.SCHEDULE)
    assert told(night) == []


def test_whoever_waits_does_not_ask_the_desk_again_and_again() -> None:
    night = proving()
    drilled_by_sara(night)
    look(night, HOUR * 5)
    assert asked_by_schedule(night) == 1


def test_a_second_one_who_takes_the_lane_is_waited_for_too() -> None:
    night = proving()
    first = drilled_by_sara(night)
    look(night, HOUR)
    night.desk.cancel(first, someone())
    second = drilled_by_sara(night)
    look(night, HOUR)
    assert night.jobs("backup.verify") == []
    night.desk.work(second)
    night.rounds()
    assert len(night.jobs("backup.verify")) == 1
    assert told(night) == []


def test_workers_that_are_started_anew_go_on_waiting() -> None:
    night = proving()
    drill = drilled_by_sara(night)
    look(night, HOUR)
    night.rotas, night.desk = [night.new_rota() for _ in range(2)], night.new_desk()
    look(night, HOUR)
    assert asked_by_schedule(night) == 1
    night.desk.work(drill)
    night.rounds()
    assert len(night.jobs("backup.verify")) == 1


def test_a_lane_that_is_free_again_before_anybody_looked_costs_no_tick_and_no_card() -> None:
    night = proving(1)
    ask = night.rotas[0]._desk.ask
    taken: list[JobId] = []

    def asked(invocation: Invocation) -> Said | Began:
        answer = ask(invocation)
        for job in taken:
            night.desk.work(job)
        return answer

    night.rotas[0]._desk.ask = asked  # type: ignore[method-assign]
    when_claimed(night, "scrub", lambda: taken.append(drilled_by_sara(night)))
    night.clock.moment = PROVED
    night.rounds(work=False)
    assert night.jobs("backup.verify") == []
    night.rounds()
    assert len(night.jobs("backup.verify")) == 1


def test_a_backup_is_not_called_refused_when_the_lane_is_free_again_before_anybody_looked() -> None:
    night = Night()
    night.add(night.clock.moment - HOUR)
    night.rounds()
    ask = night.rotas[0]._desk.ask
    taken: list[JobId] = []

    def asked(invocation: Invocation) -> Said | Began:
        answer = ask(invocation)
        while taken:
            night.desk.work(taken.pop())
        return answer

    night.rotas[0]._desk.ask = asked  # type: ignore[method-assign]
    when_claimed(night, "backup", lambda: taken.append(asked_by_sara(night)))
    night.clock.moment = NOW - HOUR
    night.rounds(work=False)
    night.rounds()
    assert [job.state for job in night.jobs("backup.now")] == [JobState.DONE]
    assert told(night) == []


def test_a_lane_that_was_taken_by_an_approval_that_died_is_waited_for() -> None:
    night = proving(1)
    record = night.desk.load(drilled_by_sara(night))
    assert record is not None
    Jobs(night.state).change(record.id, lambda job: replace(job, state=JobState.OFFERED))
    night.clock.moment = PROVED
    night.rounds(work=False)
    assert night.jobs("backup.verify") == []
    look(night, timedelta(minutes=20))
    night.desk.tend()  # the offer is over
    night.rounds()
    assert len(night.jobs("backup.verify")) == 1


def test_what_waits_is_said_by_the_status() -> None:
    night = Night()
    night.rounds()
    night.keeping = replace(night.keeping, schedule=NIGHTLY)
    job = begun(night, "now")
    look(night, HOUR * 2)
    assert f"The one of 2026-11-25 02:00:00 UTC is due and waits for job {job}." in map(str, night.keeping.status(SHOP))
    night.desk.work(job)
    night.rounds()
    assert not [line for line in map(str, night.keeping.status(SHOP)) if "waits for" in line]


# -- several ticks -------------------------------------------------------------------------------------------------


def hourly(limit: timedelta = HOUR * 6) -> Night:
    night = Night(2)
    night.duty = Duty(Schedule("backup", "0 * * * *"), "T0LOCAL", "C0OPS", limit)
    night.rotas = [night.new_rota() for _ in range(2)]
    night.pass_time(HOUR)
    return night


def test_ticks_that_came_while_one_waited_are_run_with_it_as_one_and_told_to_nobody() -> None:
    night = hourly()
    before = len(night.jobs("backup.now"))
    job = begun(night, "now")
    look(night, HOUR * 4)
    night.desk.work(job)
    night.rounds()
    night.rounds()
    assert len(night.jobs("backup.now")) == before + 2, "hers, and one"
    assert told(night) == []
    night.pass_time(HOUR)
    assert len(night.jobs("backup.now")) == before + 3


def test_ticks_that_waited_too_long_are_told_once_and_not_every_hour() -> None:
    night = hourly(limit=HOUR * 3)
    job = begun(night, "now")
    look(night, HOUR * 4.5)
    (card,) = told(night)
    assert card.startswith("3 times /backup now was due for shop and not begun")
    look(night, HOUR * 2.5)
    assert len(told(night)) == 1
    night.desk.work(job)
    before = len(night.jobs("backup.now"))
    night.rounds()
    assert len(night.jobs("backup.now")) == before + 1


# -- waiting too long ----------------------------------------------------------------------------------------------


def test_a_tick_that_waited_too_long_is_told_once_with_who_was_in_the_way() -> None:
    night = proving()
    drill = drilled_by_sara(night)
    look(night, HOUR * 7)
    look(night, HOUR * 2)
    (card,) = told(night)
    assert "/backup verify was due for shop and not begun" in card
    assert (
        f"It waits for backup drill of U0SARA, job {drill}, begun at 2026-11-25 03:29:00 UTC and not over yet." in card
    )
    (job,) = night.jobs("backup.missed")
    assert str(night.desk.card(job).title) == "/backup verify for shop did not happen"
    night.desk.work(drill)
    night.pass_time(HOUR * 3)
    assert night.jobs("backup.verify") == []


def test_who_was_in_the_way_is_named_also_by_workers_that_were_started_anew() -> None:
    night = proving()
    drill = drilled_by_sara(night)
    look(night, HOUR)
    night.desk.work(drill)
    night.rotas, night.desk = [], night.new_desk()
    look(night, HOUR * 6)
    night.rotas = [night.new_rota() for _ in range(2)]
    night.rounds()
    (card,) = told(night)
    assert f"It waited for backup drill of U0SARA, job {drill}," in card
    assert "and over at 2026-11-25 04:29:00 UTC." in card


def test_a_backup_that_waited_too_long_is_told_with_who_was_in_the_way() -> None:
    night = Night(2)
    night.rounds()
    job = begun(night, "now")
    look(night, HOUR * 8)
    (card,) = told(night)
    assert f"It waits for backup now of U0SARA, job {job}," in card
    (alarm,) = night.jobs("backup.missed")
    assert str(night.desk.card(alarm).title) == "A backup of shop did not happen"


def test_a_telling_whose_worker_died_is_told_by_another() -> None:
    covered = 0
    for after in (False, True):
        for nth in range(1, 100):
            night = proving(1)
            drilled_by_sara(night)
            look(night, HOUR)
            night.clock.moment = PROVED + HOUR * 6 + MINUTE
            if not night.killed_at(nth, after=after):
                break
            covered += 1
            night.rotas = [night.new_rota() for _ in range(2)]
            look(night, timedelta(minutes=6), MINUTE)
            assert set(told(night)), (nth, after)
            assert len(told(night)) <= 2, (nth, after)  # said, and not yet noted that it was
    assert covered > 20


def test_a_chore_that_nobody_kept_away_is_made_up_for_by_the_next_and_told_to_nobody() -> None:
    night = proving()
    night.clock.moment = PROVED + HOUR * 12
    night.rounds()
    assert told(night) == []
    assert night.jobs("backup.verify") == []


# -- the pruning ---------------------------------------------------------------------------------------------------


def test_the_pruning_of_a_backup_that_came_late_is_not_missed() -> None:
    night = Night(2)
    night.rounds()
    job = begun(night, "now")
    look(night, HOUR * 7 - MINUTE * 10)
    night.desk.work(job)
    night.rounds(work=False)  # the backup begins now, and is at work for two hours
    (late,) = night.queue.jobs
    night.queue.jobs.clear()
    look(night, HOUR * 2)
    night.desk.work(late)
    night.rounds()
    assert [job.state for job in night.jobs("backup.prune")] == [JobState.DONE]
    assert told(night) == []


# -- the alarm -----------------------------------------------------------------------------------------------------


def test_while_a_backup_that_is_due_waits_or_is_made_nobody_is_told_that_the_newest_is_old() -> None:
    night = Night(2)
    night.pass_time(HOUR * 2)  # the backup of 02:00
    night.pass_time(HOUR * 22)
    job = begun(night, "now")
    look(night, HOUR * 5)
    assert night.jobs("backup.stale") == [], "28 hours old, and the next one waits"
    night.desk.cancel(job, someone())
    before = len(night.jobs("backup.now"))
    night.rounds(work=False)
    look(night, HOUR / 2)
    assert len(night.jobs("backup.now")) == before + 1
    assert night.jobs("backup.stale") == []


def test_a_backup_that_waits_too_long_does_not_still_the_alarm() -> None:
    night = Night(2)
    night.duty = Duty(NIGHTLY, "T0LOCAL", "C0OPS", HOUR * 100)
    night.rotas = [night.new_rota() for _ in range(2)]
    night.pass_time(HOUR * 24)
    begun(night, "now")
    look(night, HOUR * 7)
    assert night.jobs("backup.stale") == []
    look(night, HOUR)
    assert len(night.jobs("backup.stale")) == 1


# -- deaths and clocks ---------------------------------------------------------------------------------------------


def test_a_worker_that_dies_anywhere_while_it_waits_or_begins_loses_no_tick_and_runs_none_twice() -> None:
    covered = 0
    for after in (False, True):
        for free in (False, True):
            for nth in range(1, 100):
                night = proving(1)
                drill = drilled_by_sara(night)
                if free:
                    look(night, HOUR)
                    night.desk.work(drill)
                else:
                    night.clock.moment = PROVED
                if not night.killed_at(nth, after=after):
                    break
                covered += 1
                night.rotas, night.desk = [night.new_rota() for _ in range(2)], night.new_desk()
                look(night, MINUTE * 3, MINUTE)
                night.desk.work(drill)
                look(night, MINUTE * 3, MINUTE)
                for job in night.jobs("backup.verify"):
                    night.desk.work(job.id)
                night.pass_time(HOUR)
                assert [job.state.final for job in night.jobs("backup.verify")] == [True], (nth, after, free)
                assert told(night) == []
    assert covered > 40


def test_a_job_that_a_worker_asked_for_before_it_died_is_the_one_of_the_tick_in_every_lane() -> None:
    night = proving()
    night.clock.moment = PROVED
    wish = Invocation("backup", ("verify", SHOP), night.rotas[0]._duty.actor, "C0OPS")
    answer = night.desk.ask(wish)
    assert isinstance(answer, Began)
    night.rounds(work=False)
    assert Ticks(night.state, CHECK.schedule, SHOP).job(PROVED) == answer.job
    night.pass_time(HOUR)
    assert [job.id for job in night.jobs("backup.verify")] == [answer.job]


def test_two_ticks_of_one_chore_are_never_at_work_beside_each_other() -> None:
    night = proving()
    often = Chore(Schedule("scrub", "*/30 * * * *"), "backup", ("verify",))
    night.duty = Duty(None, "T0LOCAL", "C0OPS", chores=(often,))
    night.rotas = [night.new_rota() for _ in range(3)]
    night.clock.moment = NOW
    night.rounds(work=False)
    night.clock.moment = PROVED
    night.rounds(work=False)
    (first,) = night.jobs("backup.verify")
    look(night, HOUR * 2)  # it is at work
    assert night.jobs("backup.verify") == [first]
    night.queue.jobs.clear()
    night.desk.work(first.id)
    night.rounds(work=False)
    assert len(night.jobs("backup.verify")) == 2
    assert told(night) == []


@pytest.mark.parametrize("hours", [-30, -2, -1, 1, 3, 24 * 20])
def test_a_clock_that_jumps_and_comes_back_while_a_tick_waits_loses_it_not_and_runs_it_once(hours: int) -> None:
    night = proving()
    drill = drilled_by_sara(night)
    look(night, HOUR)
    night.clock.moment += HOUR * hours
    night.rounds(work=False)
    night.clock.moment -= HOUR * hours
    night.rounds(work=False)
    assert night.jobs("backup.verify") == []
    night.desk.work(drill)
    night.rounds()
    night.pass_time(HOUR * 4)
    assert len(of_this_night(night)) == 1


@pytest.mark.parametrize("hours", [-30, -2, -1, 1, 3])
def test_a_clock_that_jumps_and_stays_while_a_tick_waits_runs_no_tick_twice(hours: int) -> None:
    night = proving()
    drill = drilled_by_sara(night)
    look(night, HOUR)
    night.clock.moment += HOUR * hours
    night.rounds(work=False)
    night.desk.work(drill)
    night.pass_time(HOUR * 40)
    checks = [job.created.date() for job in night.jobs("backup.verify")]
    assert checks
    assert len(set(checks)) == len(checks)


def of_this_night(night: Night) -> list[Job]:
    return [job for job in night.jobs("backup.verify") if job.created - PROVED < HOUR * 12]


def test_memory_that_is_lost_while_a_tick_waits_costs_no_second_run() -> None:
    night = Night(2)
    night.pass_time(HOUR * 24)
    begun(night, "now")
    look(night, HOUR * 3)
    night.state.flush()
    night.pass_time(HOUR * 3)
    assert night.made() == ["25 02:00", "26 04:10"]
