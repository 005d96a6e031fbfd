"""A whole restore, by either loader, against `mongorestore --archive --drop` of the same data, in turns."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sandbox.parts import require
from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.bench import data
from tests.bench.backups import environment, taken
from tests.bench.one_restore import Restored
from tests.bench.page import Section, mebibytes, megabytes, per_second
from tests.bench.plots import Bars

MEGABYTES = 300
ROUNDS = 5
LIMIT_BYTES = 150 * 1024 * 1024
INDEXES = ({"state": 1, "at": -1}, {"email": 1}, {"lines.sku": 1})
ENGINES = ("native", "mongorestore")
NAMES = {
    "plain": "mongorestore --archive --drop",
    "native": "/restore, RESTORE_LOADER=native",
    "mongorestore": "/restore, RESTORE_LOADER=mongorestore",
}


def measure() -> Section:
    """See the module."""
    times: dict[str, list[float]] = {name: [] for name in ("plain", *ENGINES)}
    peaks: list[int] = []
    cpu: list[float] = []
    with Mongod(cache_gigabytes=1) as mongod, RedisServer() as redis, tempfile.TemporaryDirectory() as place:
        uri, folder = mongod.uri("shop"), Path(place)
        size = data.plant_orders(uri, MEGABYTES)
        with mongod.client() as client:
            for keys in INDEXES:
                client.shop.orders.create_index(list(keys.items()))
        taken(uri, redis.url, folder / "backups")
        archive = _dump(uri, folder / "archive")
        print(f"restore: {megabytes(size)} of data", flush=True)
        for number in range(-1, ROUNDS):
            plain = _mongorestore(mongod.uri(), archive)
            # A Redis database for each: a code is accepted once in 30 s.
            first = 1 + len(ENGINES) * (number + 1)
            found = {
                engine: _ours(uri, redis.url_of(first + turn), folder, engine) for turn, engine in enumerate(ENGINES)
            }
            word = "warm-up" if number < 0 else f"round {number + 1}"
            shown = ", ".join(f"{engine} {made.seconds:.2f} s" for engine, made in found.items())
            print(f"  {word}: mongorestore --drop {plain:.2f} s, {shown}", flush=True)
            if number >= 0:
                times["plain"].append(plain)
                for engine, made in found.items():
                    times[engine].append(made.seconds)
                peaks.append(found["native"].memory_peak_bytes)
                cpu.append(found["native"].cpu_seconds)
    return _section(size, times, peaks, statistics.median(cpu))


def _section(size: int, times: dict[str, list[float]], peaks: list[int], cpu: float) -> Section:
    ratios = [one / other for one, other in zip(times["plain"], times["native"], strict=True)]
    middle = {name: statistics.median(seconds) for name, seconds in times.items()}
    verdict = "holds" if max(peaks) < LIMIT_BYTES else "DOES NOT HOLD"
    return Section(
        "restore",
        "Restore",
        f"**A whole restore, safety backup and proofs included, is {statistics.median(ratios):.2f} times as fast as "
        f"`mongorestore --archive --drop` alone** on the same data. {megabytes(size)} of orders with "
        f"{len(INDEXES) + 2} indexes, {ROUNDS} rounds in turns after one to warm up, medians; the ratio is the median "
        f"of the rounds' ratios, which went from {min(ratios):.2f} to {max(ratios):.2f}. From the load on, the memory "
        f"of its Python process was at most {mebibytes(max(peaks))}; the promise, less than {mebibytes(LIMIT_BYTES)}, "
        f"{verdict}.",
        ("what", "seconds", "data per second"),
        (
            (f"`{NAMES['plain']}` of an uncompressed archive", *_row(middle["plain"], size)),
            *((f"`{NAMES[engine]}`: the whole job", *_row(middle[engine], size)) for engine in ENGINES),
        ),
        "The job is everything between the code and its end: a backup of what is live, made durable; the archive read, "
        "its SHA-256 compared, unpacked and loaded beside the live data; indexes; every document counted; definitions "
        f"compared; the switch; the old data dropped. Its Python process used {cpu:.2f} s of processor time. "
        "mongorestore drops first and proves nothing. mongod and the restore share the machine's cores, and the "
        "restore is as nice as the bot's worker; the plain mongorestore is not.",
        times,
        {
            "restore": Bars(
                f"A restore of {megabytes(size)}",
                "MB of data a second",
                {NAMES[name]: [size / each / 1e6 for each in seconds] for name, seconds in times.items()},
                frozenset({NAMES["native"], NAMES["mongorestore"]}),
            )
        },
    )


def _row(seconds: float, size: int) -> tuple[str, str]:
    return f"{seconds:.2f}", per_second(size / seconds)


def _dump(uri: str, target: Path) -> Path:
    with target.open("wb") as stream:
        command = [str(require("mongodump")), f"--uri={uri}", "--archive", "--quiet"]
        subprocess.run(command, stdout=stream, check=True)
    return target


def _mongorestore(uri: str, archive: Path) -> float:
    begun = time.perf_counter()
    command = [str(require("mongorestore")), f"--uri={uri}", f"--archive={archive}", "--drop", "--quiet"]
    subprocess.run(command, check=True)
    return time.perf_counter() - begun


def _ours(uri: str, redis_url: str, folder: Path, engine: str) -> Restored:
    """One restore of the same backup; what it kept is thrown away."""
    kept = folder / "backups"
    used = folder / "used"
    shutil.copytree(kept, used)
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.one_restore"],
        env={**environment(uri, redis_url, used), "RESTORE_LOADER": engine},
        stdout=subprocess.PIPE,
        check=True,
    )
    shutil.rmtree(used)
    return Restored(**json.loads(done.stdout.splitlines()[-1]))
