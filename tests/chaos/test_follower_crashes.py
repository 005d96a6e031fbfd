"""A follower killed around the upload of a slice: what is listed is whole, the next one goes on where it was, and
moments before, at and after the crash are exact, compared with a log of commits.

`make test` takes two of the points, `make chaos` all of them.
"""

from __future__ import annotations

import hashlib
import json
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from handlers.core.backups.timelines import Follower, links, reachable, windows
from handlers.core.words.errors import OutsideError
from sandbox.servers.mongod import Mongod
from tests.chaos.bank import found_balances, open_accounts, writing
from tests.chaos.house import SHOP, House, house
from tests.chaos.test_moments import done, following
from tests.conftest import needs
from tests.depth import EVERY_POINT

POINTS = [
    "half.2.before",
    "slice.2.after",
    "slice.1.before",
    "half.1.before",
    "placed.1.before",
    "slice.1.after",
    "slice.2.before",
    "placed.2.before",
]


@dataclass
class Scene:
    """A house with accounts, and what another process needs to build the same."""

    house: House
    given: dict[str, str]
    name: str


@pytest.fixture
def scene(mongod: Mongod, redis_url: str, tools_path: str, tmp_path: Path) -> Iterator[Scene]:
    name, folder = f"bank_{secrets.token_hex(6)}", tmp_path / "backups"
    with mongod.client() as client:
        open_accounts(client, name)
    given = {"uri": mongod.uri(name), "redis": redis_url, "folder": str(folder), "path": tools_path}
    built = house(given["uri"], redis_url, folder, tools_path)
    try:
        yield Scene(built, given, name)
    finally:
        built.database.close()
        with mongod.client() as client:
            for each in client.list_database_names():
                if each.startswith(name):
                    client.drop_database(each)


def follow_until_killed(scene: Scene, point: str) -> None:
    """A follower process that dies at the point."""
    command = [sys.executable, "-m", "tests.chaos.doomed_follower", point]
    given = json.dumps(scene.given).encode()
    ended = subprocess.run(command, input=given, capture_output=True, timeout=90, check=False)
    assert ended.returncode == -signal.SIGKILL, f"{point} was not reached: {ended.stderr.decode()[-2000:]}"


@pytest.mark.parametrize("point", POINTS if EVERY_POINT else POINTS[:2])
def test_a_follower_that_is_killed_leaves_one_timeline_and_every_moment_exact(
    scene: Scene, mongod: Mongod, point: str
) -> None:
    built, name = scene.house, scene.name
    with following(built), mongod.client() as client:
        time.sleep(0.5)
        client[name].log.insert_one({"n": "a timeline begins"})
        time.sleep(1)
    with writing(mongod.uri(name), name) as ledger:
        done(built, "backup", "now")
        began = int(time.time()) + 1
        follow_until_killed(scene, point)
        killed = int(time.time())
        time.sleep(1.2)
        with following(built):
            time.sleep(2.5)
            ended = int(time.time())
    known = links(built.store, SHOP)
    for link in known:
        assert hashlib.sha256(b"".join(built.store.read(link.stored.key))).hexdigest() == link.stored.sha256
    assert len(windows(known)) == 1
    spans = reachable(built.catalogue.listing().manifests, known)
    assert len(spans) == 1
    assert spans[0][1].seconds >= ended - 1
    moments = sorted({random.Random(point).randrange(began, killed + 1), killed, ended - 1})
    with mongod.client() as client:
        for second in moments:
            into = f"{name}_{second}"
            done(built, "restore", datetime.fromtimestamp(second, UTC).isoformat(), "into", into)
            assert found_balances(client, into) == ledger.balances(second), f"{point}, {second}"


LATE, EARLY = 6, 1


@pytest.mark.parametrize("looks", [LATE, EARLY])
def test_a_follower_whose_mongodb_is_killed_goes_on_in_one_timeline_when_it_is_back(
    redis_url: str, tools_path: str, tmp_path: Path, looks: int
) -> None:
    """`looks`: how often it looked before MongoDB was killed."""
    needs("mongod")
    with Mongod() as server, server.client() as client:
        name = "bank"
        open_accounts(client, name)
        built = house(server.uri(name), redis_url, tmp_path / "backups", tools_path)
        follower, seen = Follower(SHOP, built.database, built.store, built.clock), 0

        def going() -> bool:
            nonlocal seen
            seen += 1
            if seen == looks:
                server.kill()
            elif seen < looks:
                client[name].log.insert_one({"n": str(seen)})
            return True

        try:
            follower.step(lambda: True, seconds=0.0)
            done(built, "backup", "now")
            client[name].log.insert_one({"n": "before"})
            with pytest.raises(OutsideError):
                follower.step(going, seconds=60.0)
            server.restart()
            client[name].log.insert_one({"n": "after"})
            follower.step(lambda: True, seconds=0.0)
            second = int(time.time())
            time.sleep(1.1)
            client[name].log.insert_one({"n": "too late"})
            follower.step(lambda: True, seconds=0.0)
            known = links(built.store, SHOP)
            assert len(windows(known)) == 1
            done(built, "restore", datetime.fromtimestamp(second, UTC).isoformat(), "into", "there")
            expected = sorted(each["n"] for each in client[name].log.find() if each["n"] != "too late")
            assert sorted(each["n"] for each in client["there"].log.find()) == expected
            assert {"before", "after"} <= set(expected)
        finally:
            built.database.close()
