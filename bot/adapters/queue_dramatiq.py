"""The queue: Dramatiq over Redis, used for one thing, handing job ids to workers at least once.

- Retries are off: whether something is done again is the desk's decision, never the library's.
- A worker that stops beating for 20 s loses what it was handed; another one gets it. The desk then sees that the job
  was begun, and does not begin it again.
- Threads of this process work; nothing is forked.
"""

from __future__ import annotations

from collections.abc import Callable

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.worker import Worker

from handlers.core.answers import JobId
from handlers.core.errors import OutsideError
from handlers.core.text import Text

NAMESPACE = "negahban-queue"
QUEUE = "jobs"
ACTOR = "work"
HEARTBEAT_MILLISECONDS = 20_000
MAINTENANCE_IN_A_MILLION = 20_000
POLL_MILLISECONDS = 500
TIME_LIMIT_MILLISECONDS = 7 * 86_400_000


class DramatiqQueue:
    """Queue (see the port) in one Redis database."""

    def __init__(self, url: str) -> None:
        self._broker = RedisBroker(
            url=url,
            namespace=NAMESPACE,
            middleware=[],
            heartbeat_timeout=HEARTBEAT_MILLISECONDS,
            maintenance_chance=MAINTENANCE_IN_A_MILLION,
            socket_connect_timeout=2.0,
            socket_timeout=15.0,
        )

    def put(self, job: JobId) -> None:
        """See the port."""
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=QUEUE, actor_name=ACTOR, args=(job,), kwargs={}, options={}
        )
        try:
            self._broker.declare_queue(QUEUE)
            self._broker.enqueue(message)
        except (redis.exceptions.RedisError, dramatiq.BrokerErrored) as error:
            raise OutsideError(Text("Redis does not answer, so the job could not be queued.")) from error

    def consume(self, work: Callable[[JobId], None], threads: int) -> Consumer:
        """Hands jobs to `work` in so many threads. One consumer a process."""

        def run(job: str) -> None:
            work(JobId(job))

        dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=self._broker)(run)
        return Consumer(self._broker, threads)


class Consumer:
    """A running consumer."""

    def __init__(self, broker: RedisBroker, threads: int) -> None:
        self._worker = Worker(broker, worker_threads=threads, worker_timeout=POLL_MILLISECONDS)

    def start(self) -> None:
        """Begins to hand out jobs."""
        self._worker.start()

    def stop(self, timeout: float) -> None:
        """Takes no new job and waits for the running ones, at most so many seconds."""
        self._worker.stop(timeout=round(timeout * 1000))
