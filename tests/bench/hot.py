"""`python -m tests.bench.hot NAME`: one hot path at work, until standard input is closed.

- When everything is prepared it writes the number of the process that does the work: from then on it does nothing
  else, and may be looked at.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.bench import data, gate, replay, targets
from tests.bench.arrival import CHANNELS, stage
from tests.bench.backups import endless
from tests.bench.intake import Sender
from tests.bench.turns import until_closed

MEGABYTES = 300
PACE = 100
PEOPLE = 100


def backups() -> None:
    """One backup after the other."""
    _jobs(data.plant_application, "tests.bench.one_backup")


def restores() -> None:
    """One restore after the other: the archive read, unpacked, loaded, counted, switched in."""
    _jobs(data.plant_orders, "tests.bench.one_restore")


def replays() -> None:
    """One slice of the oplog replayed again and again."""
    with replay.prepared() as bench:
        for _ in at_work():
            bench.ours()


def codes() -> None:
    """One code after the other confirmed."""
    with gate.prepared(PEOPLE) as bench:
        for _ in at_work():
            bench.confirmed()


def looks() -> None:
    """One look at one target's health after the other."""
    with targets.prepared(1) as (desk,):
        for _ in at_work():
            targets.look(desk)


def alerts() -> None:
    """New groups of alerts, from the webhook to the message."""
    with stage() as (_, bot, token, _), closing(Sender(bot.port, token)) as sender:
        begun = time.monotonic()
        for number, _ in enumerate(at_work(bot.pid)):
            time.sleep(max(0.0, begun + number / PACE - time.monotonic()))
            sender.send(number, 0, alerts=1, labels={"team": str(number % len(CHANNELS))})


PATHS: dict[str, Callable[[], None]] = {
    "backup": backups,
    "restore": restores,
    "replay": replays,
    "gate": codes,
    "health": looks,
    "alerts": alerts,
}


def at_work(pid: int | None = None) -> Iterator[None]:
    """One turn after the other of this process or that one."""
    print(pid or os.getpid(), flush=True)
    yield from until_closed()


def _jobs(plant: Callable[[str, int], int], module: str) -> None:
    with Mongod(cache_gigabytes=1) as mongod, RedisServer() as redis, tempfile.TemporaryDirectory() as place:
        uri = mongod.uri("bench")
        plant(uri, MEGABYTES)
        with endless(uri, redis.url, Path(place) / "backups", module) as worker:
            for _ in at_work(worker.pid):
                time.sleep(1)


if __name__ == "__main__":
    PATHS[sys.argv[1]]()
