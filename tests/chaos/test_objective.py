"""The recovery objective: everything is lost at a moment nobody chose, and of the data at most a minute is.

- MongoDB, Redis and whoever follows the oplog are killed at once, and what they had on disk is gone; another server,
  another Redis and the store are all there is.
- `make chaos` waits for slices of their real length. `make test` dials the time five times faster: slices of six
  seconds, at most twelve lost.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from handlers.core.backups.timelines import SLICE_SECONDS, links, reachable
from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.chaos.bank import ACCOUNTS, START, found_balances, open_accounts, writing
from tests.chaos.house import SHOP, house
from tests.chaos.test_moments import done
from tests.conftest import needs
from tests.depth import FULL

DIAL = 1 if FULL else 5
OBJECTIVE_SECONDS = 60 / DIAL
DISASTERS = 3 if FULL else 1
pytestmark = pytest.mark.timeout(300)


@contextmanager
def follower(given: dict[str, Any]) -> Iterator[subprocess.Popen[bytes]]:
    """A process that follows the oplog, until it is killed."""
    command = [sys.executable, "-m", "tests.chaos.doomed_follower", "never"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        try:
            assert process.stdin is not None
            process.stdin.write(json.dumps(given).encode())
            process.stdin.close()
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("seed", range(DISASTERS))
def test_when_everything_is_lost_at_once_at_most_a_minute_of_data_is(
    tools_path: str, tmp_path: Path, seed: int
) -> None:
    needs("mongod")
    needs("redis-server")
    name, folder, chance = f"bank_{secrets.token_hex(6)}", tmp_path / "backups", random.Random(seed)
    with Mongod() as server, RedisServer() as redis:
        with server.client() as client:
            open_accounts(client, name)
        built = house(server.uri(name), redis.url, folder, tools_path)
        given = {"uri": server.uri(name), "redis": redis.url, "folder": str(folder), "path": tools_path}
        with (
            follower({**given, "seconds": SLICE_SECONDS / DIAL}) as following,
            writing(server.uri(name), name) as ledger,
        ):
            while not links(built.store, SHOP):  # a busy machine begins to follow only seconds later
                time.sleep(0.2)
            done(built, "backup", "now")
            built.database.close()
            time.sleep(chance.uniform(1.2, 2.2) * SLICE_SECONDS / DIAL)
            assert following.poll() is None
            os.kill(following.pid, signal.SIGKILL)
            server.kill()
            redis.kill()
    last = max(at for at, *_ in ledger.moves)
    with Mongod() as server, RedisServer() as redis, server.client() as client:
        again = house(server.uri(name), redis.url, folder, tools_path)
        try:
            ((_, reached),) = reachable(again.catalogue.listing().manifests, links(again.store, SHOP))
            # A moment is typed to the second, and all of that second must be saved.
            second = reached.seconds - 1
            done(again, "restore", datetime.fromtimestamp(second, UTC).isoformat())
            assert found_balances(client, name) == ledger.balances(second)
            assert sum(ledger.balances(second).values()) == 2 * ACCOUNTS * START
            lost = sum(at > second for at, *_ in ledger.moves)
            print(f"{last - second} s lost, {lost} of {len(ledger.moves)} transactions; seed {seed}, dialled {DIAL}")
            assert last - second <= OBJECTIVE_SECONDS
            assert lost < len(ledger.moves)
        finally:
            again.database.close()
