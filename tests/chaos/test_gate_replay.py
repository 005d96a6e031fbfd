"""What was accepted or confirmed before Redis was harmed is worth nothing after it.

- Real Redis and real codes. It is flushed; killed with -9 and started again; replaced by a replica that never heard of
  the last writes; its host's clock jumps, also over the hour that happens twice.
- Each time the same code is typed again, for as long as a code lives and longer, and the confirmed job is handed out.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyotp
import pytest
import redis

from bot.adapters.clock import SystemEntropy
from bot.adapters.factors import StoredFactors
from bot.adapters.state_redis import RedisState
from bot.adapters.store_directory import DirectoryStore
from bot.adapters.totp import Totp
from handlers.core.door.approval import WORKSPACE, Gate
from handlers.core.door.desk import Accepted, Began, Desk, Outside
from handlers.core.words.answers import Invocation, JobId
from handlers.core.words.errors import Refusal
from sandbox.servers.redis import RedisServer
from tests.conftest import needs
from tests.fakes import FakeClock, FakePeople, MemoryAudit, MemoryQueue, someone
from tests.handlers.test_desk import Doing

SARA = someone("U0SARA")
# Half an hour before Berlin's clocks go back from 03:00 to 02:00.
BEGIN = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


class Place:
    """A desk over a real Redis, Sara's app, and a replica that can take over."""

    def __init__(self, server: RedisServer, folder: Path, closing: ExitStack) -> None:
        self.server, self.closing = server, closing
        self.clock, self.doing, self.audit = FakeClock(BEGIN), Doing(), MemoryAudit()
        self.factors = StoredFactors(DirectoryStore(folder), bytes(32), Totp())
        self.seed, _ = self.factors.begin(SARA.person, WORKSPACE)
        self.factors.enroll(SARA.person, WORKSPACE, self.seed, self.code(-1), self.code(), self.clock.now())
        self.clock.advance(60)
        self.reach(server.url)

    def reach(self, url: str) -> None:
        state = RedisState(url)
        self.closing.callback(state.close)
        self.gate = Gate(state, self.factors, self.clock, SystemEntropy())
        outside = Outside(state, MemoryQueue(), self.audit, FakePeople(), self.clock, SystemEntropy())
        self.desk = Desk({"do": self.doing}, self.gate, outside)

    def code(self, steps: int = 0) -> str:
        return pyotp.TOTP(self.seed).at(int(self.clock.now().timestamp()) + 30 * steps)

    def accepted(self, code: str) -> bool:
        """Whether a code confirms a new plan now."""
        try:
            challenge = self.gate.open(SARA, "another plan")
            return self.gate.submit(SARA, challenge, "another plan", code)[0].value == "accepted"
        except Refusal:
            return False

    def confirmed(self) -> tuple[JobId, str]:
        """A job that destroys, and the code that confirmed it."""
        began, code = self.desk.ask(Invocation("do", ("destroy",), SARA, "C0OPS")), self.code()
        assert isinstance(began, Began)
        assert self.desk.approve(self.desk.challenge(began.job, SARA).id, SARA, code) == Accepted(began.job)
        return began.job, code


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    needs("redis-server")
    with ExitStack() as closing:
        yield Place(closing.enter_context(RedisServer()), tmp_path / "store", closing)


def flushed(place: Place) -> None:
    place.server.flush()


def killed(place: Place) -> None:
    place.server.restart()


def killed_without_its_file(place: Place) -> None:
    """As on a host that comes back with an empty disk."""
    place.server.kill()
    for kept in place.server.folder.glob("appendonly*"):  # a file, or a folder since Redis 7
        shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
    place.server.restart()


@pytest.mark.parametrize("harm", [flushed, killed, killed_without_its_file], ids=lambda each: each.__name__)
def test_after_redis_was_harmed_no_code_counts_twice_and_nothing_confirmed_runs(
    place: Place, harm: Callable[[Place], None]
) -> None:
    job, code = place.confirmed()
    harm(place)
    place.desk.work(job)
    assert place.doing.ran == []
    never_again(place, code)


def never_again(place: Place, code: str) -> None:
    """For three minutes; when nobody counts the wrong ones any more, the next code is good again."""
    for _ in range(18):
        assert not place.accepted(code)
        place.clock.advance(10)
    place.clock.advance(3600)
    assert place.accepted(place.code())


def test_a_replica_that_missed_the_last_writes_accepts_no_code_of_theirs_and_runs_nothing_again(place: Place) -> None:
    """The job ran on the old master; the replica only knows that it was confirmed, or not even that."""
    follow = ("--replicaof", "127.0.0.1", str(place.server.port))
    with RedisServer(*follow) as before_the_code, RedisServer(*follow) as after_the_code:
        promoted(before_the_code)
        job, code = place.confirmed()
        promoted(after_the_code)
        place.desk.work(job)
        assert place.doing.ran == [job]
        for taken in (before_the_code, after_the_code):
            place.reach(taken.url)
            place.desk.work(job)
            assert not place.accepted(code)
        assert place.doing.ran == [job]
        never_again(place, code)


def promoted(replica: RedisServer) -> None:
    """It has everything that was written so far, and hears of nothing more."""
    with redis.Redis.from_url(replica.url) as client:
        while client.info("replication").get("master_link_status") != "up" or not caught_up(client):
            pass
        client.replicaof("NO", "ONE")


def caught_up(client: redis.Redis) -> bool:
    about = client.info("replication")
    with redis.Redis(host=about["master_host"], port=int(about["master_port"])) as master:
        return bool(master.info("replication")["master_repl_offset"] <= about["slave_repl_offset"])


@pytest.mark.parametrize("jump", [-7200, -3600, -60, -31, 31, 60, 3600, 7200], ids=str)
def test_a_clock_that_jumps_makes_no_code_of_before_good_again(place: Place, jump: int) -> None:
    _, code = place.confirmed()
    spent = place.code(-1)
    place.clock.moment += timedelta(seconds=jump)
    for _ in range(6):
        assert not place.accepted(code)
        assert not place.accepted(spent)
        place.clock.advance(10)


def test_a_code_of_the_hour_that_happens_twice_does_not_count_in_its_second_time(place: Place) -> None:
    """What a wall in Berlin calls 02:31 comes again an hour later; the code does not."""
    _, code = place.confirmed()
    place.clock.advance(3600)
    assert not place.accepted(code)
    assert place.accepted(place.code())
