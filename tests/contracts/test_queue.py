"""The contract of the port Queue, held by the fake and by Dramatiq over Redis; then what happens when workers die.

The worker processes are this file, run as a program: each line they print is a job that was handed to them.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import redis

from bot.adapters.queue_dramatiq import HEARTBEAT_SECONDS, NAMESPACE, DramatiqQueue
from handlers.core.ports import Queue
from handlers.core.words.answers import JobId
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.servers.redis import RedisServer
from tests.conftest import needs
from tests.fakes import Faults, MemoryQueue

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 15.0


def until(condition: Callable[[], bool], seconds: float = PATIENCE_SECONDS) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


Connect = Callable[..., DramatiqQueue]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens queues, and closes them at the end."""
    with ExitStack() as open_queues:

        def connected(url: str, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> DramatiqQueue:
            queue = DramatiqQueue(url, heartbeat_seconds=heartbeat_seconds)
            open_queues.callback(queue.close)
            return queue

        yield connected


@dataclass
class Line:
    """A queue, and a way to hand out what is in it until a condition holds."""

    queue: Queue
    hand_out: Callable[[Callable[[JobId], None], Callable[[], bool]], None]


@pytest.fixture(params=["memory", "redis"])
def line(request: pytest.FixtureRequest) -> Line:
    if request.param == "memory":
        memory = MemoryQueue()
        return Line(memory, lambda work, done: memory.hand_out(work))
    queue = request.getfixturevalue("connect")(request.getfixturevalue("redis_url"))

    def hand_out(work: Callable[[JobId], None], done: Callable[[], bool]) -> None:
        consumer = queue.consume(work, 2)
        consumer.start()
        until(done)
        consumer.stop(5)

    return Line(queue, hand_out)


def test_every_job_that_was_put_is_handed_out(line: Line) -> None:
    jobs = [JobId(f"job{number}") for number in range(20)]
    for job in jobs:
        line.queue.put(job)
    given: list[JobId] = []
    line.hand_out(given.append, lambda: len(given) >= 20)
    assert sorted(given) == sorted(jobs)


def test_a_job_put_twice_is_handed_out_twice(line: Line) -> None:
    line.queue.put(JobId("again"))
    line.queue.put(JobId("again"))
    given: list[JobId] = []
    line.hand_out(given.append, lambda: len(given) >= 2)
    assert given == ["again", "again"]


def test_a_queue_that_fails_says_so() -> None:
    faults = Faults()
    faults.fail("queue.put", 2)
    queue = MemoryQueue(faults=faults)
    queue.put(JobId("first"))
    with pytest.raises(OutsideError):
        queue.put(JobId("second"))
    assert queue.jobs == ["first"]


def test_a_redis_that_is_not_there_says_so_in_seconds(connect: Connect) -> None:
    needs("redis-server")
    with RedisServer() as server:
        queue = connect(server.url)
        queue.put(JobId("first"))
        server.kill()
        began = time.monotonic()
        with pytest.raises(OutsideError, match="Redis"):
            queue.put(JobId("second"))
        assert time.monotonic() - began < 3


def test_a_redis_that_says_nothing_is_given_up_after_seconds(connect: Connect) -> None:
    needs("redis-server")
    with RedisServer() as server:
        queue = connect(server.url)
        queue.put(JobId("first"))
        with redis.Redis.from_url(server.url) as client:
            client.client_pause(20_000)
        began = time.monotonic()
        with pytest.raises(OutsideError):
            queue.put(JobId("second"))
        assert 4 < time.monotonic() - began < 8


@pytest.mark.parametrize("url", ["redis://:s3cr3t/x@127.0.0.1:6379/0", "redis://:p@127.0.0.1:s3cr3t/0", "s3cr3t"])
def test_what_is_not_an_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(Refusal) as raised:
        DramatiqQueue(url)
    assert "s3cr3t" not in "".join(traceback.format_exception(raised.value))


def test_the_keys_of_the_queue_are_none_of_the_state(redis_url: str, connect: Connect) -> None:
    connect(redis_url).put(JobId("job"))
    with redis.Redis.from_url(redis_url) as client:
        keys = client.keys("*")
    assert keys
    assert all(key.startswith(f"{NAMESPACE}:".encode()) for key in keys)
    assert not any(key.startswith(b"negahban:") for key in keys)


def test_a_job_whose_work_raises_is_logged_done_and_not_repeated(
    redis_url: str, caplog: pytest.LogCaptureFixture, connect: Connect
) -> None:
    queue, given = connect(redis_url, heartbeat_seconds=1), []

    def work(job: JobId) -> None:
        given.append(job)
        if job == "bad":
            raise ValueError("no luck with it")

    queue.put(JobId("bad"))
    queue.put(JobId("good"))
    consumer = queue.consume(work, 1)
    consumer.start()
    assert until(lambda: len(given) >= 2)
    time.sleep(2)
    consumer.stop(5)
    assert given == ["bad", "good"]
    assert "no luck with it" in caplog.text
    assert _waiting(redis_url) == 0


def test_a_worker_takes_no_more_jobs_than_it_has_threads(redis_url: str, connect: Connect) -> None:
    queue, given, go = connect(redis_url), [], threading.Event()

    def work(job: JobId) -> None:
        given.append(job)
        go.wait(PATIENCE_SECONDS)

    for number in range(6):
        queue.put(JobId(f"job{number}"))
    consumer = queue.consume(work, 2)
    consumer.start()
    assert until(lambda: len(given) == 2)
    time.sleep(0.5)
    assert _queued(redis_url) == 4
    go.set()
    assert until(lambda: len(given) == 6)
    consumer.stop(5)


def test_a_worker_whose_threads_are_all_at_work_still_beats(redis_url: str, connect: Connect) -> None:
    busy, idle = (connect(redis_url, heartbeat_seconds=1.5) for _ in range(2))
    given, stolen, go = list[JobId](), list[JobId](), threading.Event()

    def work(job: JobId) -> None:
        given.append(job)
        go.wait(PATIENCE_SECONDS)

    consumers = [busy.consume(work, 1), idle.consume(stolen.append, 1)]
    busy.put(JobId("long"))
    consumers[0].start()
    assert until(lambda: given == ["long"])
    consumers[1].start()
    time.sleep(4)
    go.set()
    for consumer in consumers:
        consumer.stop(5)
    assert stolen == []


def test_a_worker_goes_on_after_redis_was_restarted(connect: Connect) -> None:
    needs("redis-server")
    with RedisServer() as server:
        queue, given = connect(server.url), list[JobId]()
        consumer = queue.consume(given.append, 1)
        consumer.start()
        queue.put(JobId("before"))
        assert until(lambda: given == ["before"])
        server.restart()
        queue.put(JobId("after"))
        assert until(lambda: given == ["before", "after"])
        consumer.stop(5)


def test_stopping_waits_for_the_running_job_and_begins_no_other(redis_url: str, connect: Connect) -> None:
    queue, begun, ended = connect(redis_url), list[JobId](), list[JobId]()

    def work(job: JobId) -> None:
        begun.append(job)
        time.sleep(1)
        ended.append(job)

    queue.put(JobId("first"))
    queue.put(JobId("second"))
    consumer = queue.consume(work, 1)
    consumer.start()
    assert until(lambda: begun == ["first"])
    consumer.stop(10)
    assert (begun, ended) == (["first"], ["first"])
    assert _waiting(redis_url) == 1


def test_stopping_does_not_wait_longer_than_it_was_told(redis_url: str, connect: Connect) -> None:
    queue, begun, go = connect(redis_url), threading.Event(), threading.Event()

    def work(job: JobId) -> None:
        begun.set()
        go.wait(PATIENCE_SECONDS)

    queue.put(JobId("long"))
    consumer = queue.consume(work, 1)
    consumer.start()
    assert begun.wait(PATIENCE_SECONDS)
    began = time.monotonic()
    consumer.stop(1)
    assert time.monotonic() - began < 4
    assert _waiting(redis_url) == 1
    go.set()


def test_stopping_without_redis_is_quiet_also_with_a_job_that_was_taken_and_not_begun(connect: Connect) -> None:
    needs("redis-server")
    with RedisServer() as server, ThreadPoolExecutor(1) as elsewhere:
        queue, given, go = connect(server.url), list[JobId](), threading.Event()

        def work(job: JobId) -> None:
            given.append(job)
            go.wait(PATIENCE_SECONDS)

        consumer = queue.consume(work, 2)
        consumer.start()
        queue.put(JobId("long"))
        assert until(lambda: given == ["long"])
        stopped = elsewhere.submit(consumer.stop, 3)
        time.sleep(1)  # the idle thread has ended; what is taken now is not begun
        queue.put(JobId("late"))
        assert until(lambda: _queued(server.url) == 0)
        server.kill()
        stopped.result(12)
        assert given == ["long"]
        server.restart()
        go.set()
        assert until(lambda: _waiting(server.url) == 1)


def _queued(url: str) -> int:
    """Messages that nobody took."""
    with redis.Redis.from_url(url) as client:
        return int(client.llen(f"{NAMESPACE}:jobs"))


def _waiting(url: str) -> int:
    """Messages that are not done."""
    with redis.Redis.from_url(url) as client:
        return int(client.hlen(f"{NAMESPACE}:jobs.msgs"))


@dataclass
class WorkerProcess:
    """Another process that works, with so many threads, each job for so long."""

    url: str
    threads: int
    seconds: float
    given: list[str] = field(default_factory=list)

    def __enter__(self) -> WorkerProcess:
        command = [sys.executable, "-m", "tests.contracts.test_queue", str(self.threads), str(self.seconds)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._reader = threading.Thread(target=self._read)
        self._errors: list[str] = []
        self._error_reader = threading.Thread(target=self._read_errors)
        self._reader.start()
        self._error_reader.start()
        assert self.process.stdin is not None
        self.process.stdin.write(self.url + "\n")
        self.process.stdin.flush()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self._reader.join()
        self._error_reader.join()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            pipe.close()

    def stop(self) -> str:
        """Asks it to end, and gives what it had to say about that."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(PATIENCE_SECONDS)
        self._error_reader.join()
        return "".join(self._errors)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for said in self.process.stdout:
            self.given.append(said.strip())

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        self._errors.extend(self.process.stderr)


@pytest.fixture
def start() -> Iterator[Callable[[str, int, float], WorkerProcess]]:
    with ExitStack() as running:
        yield lambda url, threads, seconds: running.enter_context(WorkerProcess(url, threads, seconds))


Start = Callable[[str, int, float], WorkerProcess]


def test_two_processes_are_given_every_job_at_least_once_and_share_them(
    redis_url: str, start: Start, connect: Connect
) -> None:
    workers = [start(redis_url, 4, 0.02) for _ in range(2)]
    queue = connect(redis_url)
    jobs = {f"job{number}" for number in range(50)}
    for worker in workers:
        assert until(lambda worker=worker: worker.given == ["ready"])  # type: ignore[misc]
    for job in sorted(jobs):
        queue.put(JobId(job))
    assert until(lambda: sum(len(worker.given) for worker in workers) >= 52)
    given = [set(worker.given) - {"ready"} for worker in workers]
    assert given[0] | given[1] == jobs
    assert all(given)
    assert [worker.stop() for worker in workers] == ["", ""]
    assert [worker.process.returncode for worker in workers] == [0, 0]


def test_what_a_killed_process_had_begun_is_handed_to_another_within_thirty_seconds(
    redis_url: str, start: Start, connect: Connect
) -> None:
    doomed, queue = start(redis_url, 2, 600), connect(redis_url)
    for job in ("begun1", "begun2", "waiting"):
        queue.put(JobId(job))
    assert until(lambda: set(doomed.given) == {"ready", "begun1", "begun2"})
    doomed.process.kill()
    killed = time.monotonic()
    other = start(redis_url, 2, 0)
    assert until(lambda: "waiting" in other.given)
    assert until(lambda: Counter(other.given).total() >= 4, 35)
    assert time.monotonic() - killed < 30
    assert set(other.given) == {"ready", "waiting", "begun1", "begun2"}
    assert other.stop() == ""


def _main() -> None:
    """A worker process: its address comes by standard input, a line for each job goes to standard output."""
    threads, seconds = int(sys.argv[1]), float(sys.argv[2])
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    lock = threading.Lock()

    def say(line: str) -> None:
        with lock:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()

    def work(job: JobId) -> None:
        say(job)
        time.sleep(seconds)

    consumer = DramatiqQueue(sys.stdin.readline().strip()).consume(work, threads)
    consumer.start()
    say("ready")
    stopping.wait(110)
    consumer.stop(5)


if __name__ == "__main__":
    _main()
