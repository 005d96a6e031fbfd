"""The queue: Dramatiq over Redis, used for one thing, handing job ids to workers at least once.

- No middleware, so no retries, no time limits, no results: whether something is done again is the desk's decision.
- A worker that stops beating for 20 s loses what it was handed; another one gets it at its next look, half a second
  to a second later. The desk then sees that the job was begun, and does not begin it again.
- A worker takes only as many jobs as it has threads: none waits behind a long one while another worker is idle.
- What Redis handed out when the connection broke may stay with a living worker that never saw it. The desk puts jobs
  that nobody began again (`tend`), so every job still comes.
- Threads of this process work; nothing is forked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.worker import Worker

from bot import redis_link
from handlers.core.words.answers import JobId
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text

NAMESPACE = "negahban-queue"
"""Not `negahban`: its keys would begin with `negahban:`, as those of the state do."""
QUEUE = "jobs"
ACTOR = "work"
HEARTBEAT_SECONDS = 20.0
POLL_MILLISECONDS = 500
ANSWER_SECONDS = 5.0
# Of a million looks into the queue, how many also look for dead workers. All: Dramatiq's default of 1 000 finds a dead
# worker after minutes when few look, and looking costs one ZRANGEBYSCORE.
MAINTENANCE_CHANCE = 1_000_000

_log = logging.getLogger(__name__)


class DramatiqQueue:
    """Queue (see the port) in one Redis database. Connects when first used."""

    def __init__(self, url: str, *, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        """Raises Refusal for what is not an address of a Redis."""
        self._broker = RedisBroker(
            # Whole: beside `url` it would leave out the time limits (dramatiq 2.2.1). And a look into the queue that is
            # sent twice would lose what the first one took: the client sends nothing twice.
            client=redis_link.client(url, ANSWER_SECONDS),
            namespace=NAMESPACE,
            middleware=[],
            heartbeat_timeout=round(heartbeat_seconds * 1000),
            maintenance_chance=MAINTENANCE_CHANCE,
        )
        self._broker.declare_queue(QUEUE)

    def put(self, job: JobId) -> None:
        """See the port."""
        message: dramatiq.Message[None] = dramatiq.Message(
            queue_name=QUEUE, actor_name=ACTOR, args=(job,), kwargs={}, options={}
        )
        try:
            self._broker.enqueue(message)
        except redis.exceptions.RedisError as error:
            raise OutsideError(Text("Redis cannot be used, so the job may not be queued.")) from error

    def consume(self, work: Callable[[JobId], None], threads: int) -> Consumer:
        """Hands jobs to `work` in so many threads; what it raises, Dramatiq logs, and the message is done. One
        consumer a process."""

        def run(job: str) -> None:
            work(JobId(job))

        dramatiq.actor(actor_name=ACTOR, queue_name=QUEUE, broker=self._broker)(run)
        return Consumer(self._broker, threads)

    def close(self) -> None:
        """Lets go of the connections. A later call opens new ones."""
        self._broker.client.close()


class Consumer:
    """A consumer. It beats as long as it runs: also while every thread works, since Dramatiq keeps looking into its
    queue of delayed messages, which stays empty here."""

    def __init__(self, broker: RedisBroker, threads: int) -> None:
        self._worker = Worker(broker, worker_threads=threads, worker_timeout=POLL_MILLISECONDS)
        self._worker.queue_prefetch = threads

    def start(self) -> None:
        """Begins to hand out jobs."""
        self._worker.start()

    def stop(self, timeout: float) -> None:
        """Takes no new job and waits for the running ones, at most so many seconds. Does not raise: what was handed
        out and not begun goes to others, at the latest when this process has been gone for 20 s."""
        try:
            self._worker.stop(timeout=round(timeout * 1000))
        except redis.exceptions.RedisError:
            _log.warning("Redis does not answer, so jobs that were not begun go to other workers a little later")
