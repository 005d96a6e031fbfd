"""A whole backup, against `mongodump --gzip --archive` on the same data, in turns."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from sandbox.parts import require
from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.bench import data
from tests.bench.backups import taken
from tests.bench.page import Section, megabytes, per_second

MEGABYTES = 300
ROUNDS = 5


def measure() -> Section:
    """See the module."""
    with Mongod(cache_gigabytes=1) as mongod, RedisServer() as redis, tempfile.TemporaryDirectory() as place:
        uri, folder = mongod.uri("bench"), Path(place)
        size = data.plant_orders(uri, MEGABYTES)
        print(f"throughput: {megabytes(size)} of data", flush=True)
        raw, gzip, ours, cpu = [], [], [], []
        gzip_bytes = ours_bytes = 0
        for number in range(-1, ROUNDS):
            target = folder / "dump.gz"
            times = _dump(uri, Path("/dev/null")), _dump(uri, target, "--gzip")
            gzip_bytes = target.stat().st_size
            target.unlink()
            made = taken(uri, redis.url, folder / "backups")
            ours_bytes = made.stored_bytes
            word = "warm-up" if number < 0 else f"round {number + 1}"
            print(f"  {word}: raw {times[0]:.2f} s, --gzip {times[1]:.2f} s, ours {made.seconds:.2f} s", flush=True)
            if number >= 0:
                raw.append(times[0])
                gzip.append(times[1])
                ours.append(made.seconds)
                cpu.append(made.cpu_seconds)
    ratios = [one / other for one, other in zip(gzip, ours, strict=True)]
    ratio = statistics.median(ratios)
    seconds = {"raw": statistics.median(raw), "gzip": statistics.median(gzip), "ours": statistics.median(ours)}
    return Section(
        "throughput",
        "Throughput",
        f"**A backup is {ratio:.1f} times as fast as `mongodump --gzip --archive`** on the same data, and its file is "
        f"{ours_bytes / gzip_bytes:.2f} times as large. {megabytes(size)} of orders, {ROUNDS} rounds in turns after "
        f"one to warm up, medians; the ratio is the median of the rounds' ratios, which went from {min(ratios):.1f} to "
        f"{max(ratios):.1f}.",
        ("what", "seconds", "data per second", "bytes out"),
        (
            ("`mongodump --archive` to /dev/null: the ceiling", *_row(seconds["raw"], size, "")),
            ("`mongodump --gzip --archive` to a file", *_row(seconds["gzip"], size, megabytes(gzip_bytes))),
            ("`/backup now`: the whole job", *_row(seconds["ours"], size, megabytes(ours_bytes))),
        ),
        "The job is everything between the wish and its end: the audit record, the look at the database, mongodump, "
        "counting its documents, zstd, SHA-256, the file made durable (fsync, which mongodump does not do), the "
        f"manifest. Its Python process used {statistics.median(cpu):.2f} s of processor time, zstd's threads included. "
        "mongod and the backup share the machine's cores, and the backup is as nice as the bot's worker; the plain "
        "mongodump is not.",
    )


def _row(seconds: float, size: int, out: str) -> tuple[str, str, str]:
    return f"{seconds:.2f}", per_second(size / seconds), out


def _dump(uri: str, target: Path, *more: str) -> float:
    begun = time.perf_counter()
    with target.open("wb") as stream:
        subprocess.run(
            [str(require("mongodump")), f"--uri={uri}", "--archive", "--quiet", *more], stdout=stream, check=True
        )
    return time.perf_counter() - begun
