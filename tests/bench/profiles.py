"""`make profile`: where the time of the hot paths goes, as flame graphs in docs/profiles.

- Attached to processes that are at work already, so that no start is in them; threads that wait are left out.
- Only what runs in Python is seen: the work of zstd is the line that waits for it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.bench import data
from tests.bench.arrival import CHANNELS, stage
from tests.bench.backups import environment
from tests.bench.intake import Sender

FOLDER = Path(__file__).parents[2] / "docs" / "profiles"
MEGABYTES = 300
SECONDS = 15
RATE = 200
WARM_SECONDS = 5.0
PACE = 100


def backup() -> None:
    """One backup after the other."""
    with Mongod(cache_gigabytes=1) as mongod, RedisServer() as redis, tempfile.TemporaryDirectory() as place:
        uri = mongod.uri("bench")
        data.plant_application(uri, MEGABYTES)
        variables = environment(uri, redis.url, Path(place) / "backups")
        _attached("backup", ["-m", "tests.bench.one_backup", "--until-closed"], variables)


def alerts() -> None:
    """New groups of alerts, from the webhook to the message."""
    with stage() as (_, bot, token, _):
        over = threading.Event()

        def send() -> None:
            with closing(Sender(bot.port, token)) as sender:
                begun, number = time.monotonic(), 0
                while not over.wait(max(0.0, begun + number / PACE - time.monotonic())):
                    sender.send(number, 0, alerts=1, labels={"team": str(number % len(CHANNELS))})
                    number += 1

        sending = threading.Thread(target=send)
        sending.start()
        try:
            time.sleep(WARM_SECONDS)
            _recorded("alerts", bot.pid)
        finally:
            over.set()
            sending.join()


def restore() -> None:
    """One restore after the other: the archive read, unpacked, loaded, counted, switched in."""
    with Mongod(cache_gigabytes=1) as mongod, RedisServer() as redis, tempfile.TemporaryDirectory() as place:
        uri, folder = mongod.uri("bench"), Path(place) / "backups"
        data.plant_orders(uri, MEGABYTES)
        _attached("restore", ["-m", "tests.bench.one_restore", "--until-closed"], environment(uri, redis.url, folder))


PROFILES: dict[str, Callable[[], None]] = {
    "backup": backup,
    "restore": restore,
    "alerts": alerts,
}


def _attached(name: str, arguments: list[str], variables: dict[str, str]) -> None:
    """Of a Python of its own, when it is warm."""
    process = subprocess.Popen([sys.executable, *arguments], env=variables, stdin=subprocess.PIPE)
    try:
        time.sleep(WARM_SECONDS)
        _recorded(name, process.pid)
    finally:
        process.kill()
        process.wait()


def _recorded(name: str, pid: int) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Its title is its command, so there is no path in it.
    command = ["py-spy", "record", f"--pid={pid}", f"--duration={SECONDS}", f"--rate={RATE}", f"--output={name}.svg"]
    spy = Path(sys.executable).with_name("py-spy")
    subprocess.run(command, executable=spy, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)
    print(f"{name}: {FOLDER.name}/{name}.svg", flush=True)


def main() -> int:
    """Makes those that are named, or all."""
    for name in sys.argv[1:] or PROFILES:
        PROFILES[name]()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
