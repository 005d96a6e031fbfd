"""Redis behind Sentinels loses its master, for real: what was answered is still there, codes wait, alerts are sent
again, jobs come to their end. And what is no such Redis says so."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from pymongo import MongoClient

from bot import redis_link
from bot.adapters.queue_dramatiq import DramatiqQueue
from bot.adapters.state_redis import RedisState
from bot.intake import ALERTMANAGER, Intake
from bot.worker import Beat
from handlers.core.alerts.notices import Notice
from handlers.core.door.consent import Rejected
from handlers.core.door.desk import Began
from handlers.core.words.answers import Invocation, JobId
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.jobs import JobState
from sandbox.demo import shop
from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from sandbox.servers.sentinels import Sentinel, Watched
from tests.chaos.house import SARA, Break, house
from tests.conftest import needs
from tests.depth import EVERY_POINT

full = pytest.mark.skipif(not EVERY_POINT, reason="seconds of servers: `make chaos` runs it")
SPECIFIED_SECONDS = 30.0
"""docs/deployment.md: how long nothing is decided, at most."""


@pytest.fixture
def watched() -> Iterator[Watched]:
    needs("redis-server")
    with Watched() as servers:
        yield servers


def insisted(action: Callable[[], Any]) -> float:
    """Until it works; the seconds it took."""
    began = time.monotonic()
    while time.monotonic() - began < SPECIFIED_SECONDS:
        try:
            action()
        except OutsideError:
            time.sleep(0.05)
        else:
            return time.monotonic() - began
    raise TimeoutError("it never worked again")


def test_every_change_that_was_answered_is_there_after_a_failover_and_the_change_of_life_is_seen(
    watched: Watched,
) -> None:
    state = RedisState(watched.url)
    before = state.incarnation()
    written = {f"key-{number}" for number in range(300)}
    for each in sorted(written):
        assert state.put_if(each, b"x", None) is not None
    chosen = watched.fail_over()
    pause = insisted(lambda: state.put_if("late", b"x", None))
    print(f"failover: another master after {chosen:.1f} s, and writes are taken {pause:.1f} s later")
    assert written == set(state.keys("key-"))
    assert state.incarnation() != before
    state.close()


@full
def test_a_change_that_no_replica_has_is_not_answered(watched: Watched) -> None:
    state = RedisState(watched.url)
    assert state.put_if("first", b"x", None) is not None
    master = watched.master
    for each in watched.servers:
        if each is not master:
            each.kill()
    with pytest.raises(OutsideError, match=r"no replica has|too few replicas"):
        state.put_if("second", b"x", None)
    state.close()


@full
def test_a_job_in_the_queue_is_handed_out_after_a_failover(watched: Watched) -> None:
    queue, seen = DramatiqQueue(watched.url), list[JobId]()
    consumer = queue.consume(seen.append, 2)
    consumer.start()
    try:
        queue.put(JobId("before"))
        end = time.monotonic() + SPECIFIED_SECONDS
        while seen != ["before"]:
            assert time.monotonic() < end
            time.sleep(0.05)
        watched.fail_over()
        insisted(lambda: queue.put(JobId("after")))
        while "after" not in seen:
            assert time.monotonic() < end + SPECIFIED_SECONDS
            time.sleep(0.05)
    finally:
        consumer.stop(10)
        queue.close()


class Kept:
    """In the place of the alerts: a notice is kept when the state has it."""

    def __init__(self, state: RedisState) -> None:
        self._state = state

    def take_in(self, notice: Notice) -> None:
        self._state.put_if("notice", b"x", None)

    def take_report(self, tool: str, repo: str, ref: str, body: bytes) -> None:
        raise AssertionError


def test_an_alert_is_answered_with_503_while_nobody_is_master_and_is_taken_when_it_comes_again(
    watched: Watched,
) -> None:
    state = RedisState(watched.url, seconds=0.3)
    intake, answers = Intake(Kept(state), "token"), list[str]()

    def asked() -> str:
        body = b'{"version":"4","status":"firing","receiver":"r","groupLabels":{},"alerts":[]}'
        environ = {
            "PATH_INFO": ALERTMANAGER, "HTTP_AUTHORIZATION": "Bearer token", "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
        }  # fmt: skip
        list(intake(environ, lambda status, headers: answers.append(status)))
        return answers[-1]

    assert asked() == "200 OK"
    watched.master.kill()
    began = time.monotonic()
    while asked() != "200 OK":
        assert time.monotonic() - began < SPECIFIED_SECONDS
        time.sleep(0.1)
    assert set(answers) == {"200 OK", "503 Service Unavailable"}
    print(f"failover: {answers.count('503 Service Unavailable')} webhooks refused in {time.monotonic() - began:.1f} s")
    state.close()


@full
def test_a_restore_goes_on_through_a_failover_and_the_next_code_waits(
    watched: Watched, mongod: Mongod, tools_path: str, tmp_path: Path
) -> None:
    uri = mongod.uri(f"failover_{tmp_path.name[-20:]}")
    shop.plant(uri, orders=60)
    breaking = Break("index.3.before", lambda: (watched.fail_over(), None)[1])
    built = house(uri, watched.url, tmp_path / "backups", tools_path, breaking)
    try:
        built.desk.work(built.asked("backup", "now"))
        backed_up = shop.picture(uri)
        shop.live_on(uri)
        job = built.asked("restore", "latest")
        with Beat(built.desk):
            built.desk.work(job)
        assert built.breaking.reached
        assert built.loaded(job).state is JobState.DONE
        assert shop.picture(uri) == backed_up
        # Her last code may be one that the new master never heard of.
        answer = built.desk.ask(Invocation("restore", ("latest",), SARA, "C0OPS"))
        assert isinstance(answer, Began)
        challenge = built.desk.challenge(answer.job, SARA)
        verdict = built.desk.approve(challenge.id, SARA, built.factors.code("U0SARA", 99_999_999))
        assert isinstance(verdict, Rejected)
        assert "memory was just restarted" in str(verdict.text)
    finally:
        built.database.close()
        with MongoClient[dict[str, Any]](uri) as client:
            client.drop_database(client.get_default_database().name)


@pytest.mark.parametrize("url", ["redis+cluster://a:7000/0", "rediss+cluster://a:7000"])
def test_the_address_of_a_cluster_is_refused_with_the_reason(url: str) -> None:
    with pytest.raises(Refusal, match="different servers"):
        redis_link.client(url, 1)


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://a",
        "redis+sentinel:///service/0",
        "redis+sentinel://s3cr3t@a/service/zero",
        "redis+sentinel://a:s3cr3t/service",
        "redis+sentinel://a/service/0?pass=s3cr3t",
    ],
)
def test_what_names_no_sentinels_and_service_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(Refusal) as raised:
        redis_link.client(url, 1)
    assert "s3cr3t" not in str(raised.value)


def test_a_server_of_a_cluster_is_not_used(tmp_path: Path) -> None:
    needs("redis-server")
    with RedisServer("--cluster-enabled", "yes") as server:
        with redis.Redis(port=server.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTS", *range(16384))
        state = RedisState(f"redis://127.0.0.1:{server.port}/0")
        with pytest.raises(OutsideError, match="Redis Cluster cannot be used"):
            state.incarnation()
        state.close()


@full
def test_the_address_of_a_sentinel_itself_is_not_used(watched: Watched) -> None:
    state = RedisState(f"redis://127.0.0.1:{watched.sentinels[0].port}/0")
    with pytest.raises(OutsideError, match=r"redis\+sentinel"):
        state.incarnation()
    state.close()


def test_a_master_that_would_go_on_alone_is_told() -> None:
    needs("redis-server")
    with RedisServer() as alone, Sentinel(alone.port) as sentinel:
        state = RedisState(f"redis+sentinel://127.0.0.1:{sentinel.port}/negahban/0")
        assert any("min-replicas-to-write" in str(each) for each in state.check())
        state.close()
