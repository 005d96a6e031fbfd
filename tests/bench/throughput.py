"""A whole backup into a directory, against what the stock tools do with the same data, in turns."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.parts import require
from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.bench import data
from tests.bench.backups import taken
from tests.bench.one_backup import Taken
from tests.bench.page import Section, megabytes, per_second
from tests.bench.plots import Bars, Plot
from tests.bench.turns import Times, faster, in_turns, ratios

ROUNDS = 5
TO_REACH = 8.0
PIPE_SHARE = 0.85
KINDS: dict[str, tuple[Callable[[str, int], int], int]] = {
    "an application": (data.plant_application, 900),
    "orders": (data.plant_orders, 300),
}
"""What makes them, and how many megabytes: of a gigabyte the steps before and after the dump are a small part."""
READ = "find over raw batches, thrown away"
RAW, GZIP, FOLDER = "mongodump to /dev/null", "mongodump --gzip --archive", "mongodump --gzip --out"
PIPE, OURS = "mongodump --archive | zstd -3 -T2", "/backup now"


def measure(megabytes_each: int = 0, rounds: int = ROUNDS) -> Section:
    """See the module. `megabytes_each`: instead of what KINDS says."""
    rows: list[tuple[str, ...]] = []
    findings: list[str] = []
    measured: dict[str, list[float]] = {}
    plots: dict[str, Plot] = {}
    for kind, (plant, much) in KINDS.items():
        with Mongod(cache_gigabytes=1) as mongod, RedisServer() as redis, tempfile.TemporaryDirectory() as place:
            uri, folder = mongod.uri("bench"), Path(place)
            size = plant(uri, megabytes_each or much)
            print(f"throughput: {megabytes(size)} of {kind}", flush=True)
            bytes_out, made = dict.fromkeys((READ, RAW, GZIP, FOLDER, PIPE, OURS), 0), list[Taken]()
            times = in_turns(kind, _contenders(uri, redis.url, folder, bytes_out, made), rounds)
        rows += [_row(kind, name, times, size, bytes_out) for name in times]
        measured |= {f"{kind}, {name}": seconds for name, seconds in times.items()}
        plots[f"throughput-{kind.split()[-1]}"] = Bars(
            f"A backup of {kind}, {megabytes(size)}",
            "MB of data a second",
            {name: [size / each / 1e6 for each in seconds] for name, seconds in times.items()},
            frozenset({OURS}),
        )
        findings.append(_finding(kind, size, times, bytes_out, statistics.median(each.cpu_seconds for each in made)))
    return Section(
        "throughput",
        "Throughput",
        "\n".join(findings),
        ("data", "what", "seconds", "data per second", "bytes out", "times as fast as --gzip --archive"),
        tuple(rows),
        f"{rounds} rounds in turns after one to warm up; medians, and in brackets how far the rounds' ratios went. "
        "An application is eight kinds of collections (orders, users, events, posts, sessions, a capped log, a "
        "time-series, files of which half are random bytes). The job is everything between the wish and its end: the "
        "audit record, the look at the database, mongodump, counting its documents, zstd, SHA-256, the oplog read "
        "beside it, the file made durable (fsync, which the others do not do), the manifest. mongod and the backup "
        "share the machine's cores, and the backup is as nice as the bot's worker; the others are not.",
        measured,
        plots,
    )


def _contenders(
    uri: str, redis_url: str, folder: Path, bytes_out: dict[str, int], made: list[Taken]
) -> dict[str, Callable[[], float]]:
    target = folder / "out"

    def ours() -> float:
        one = taken(uri, redis_url, folder / "backups")
        made.append(one)
        bytes_out[OURS] = one.stored_bytes
        shutil.rmtree(folder / "backups")
        return one.seconds

    def stock(name: str, *more: str, packer: tuple[str, ...] = ()) -> Callable[[], float]:
        def run() -> float:
            seconds = _dump(uri, Path("/dev/null") if name == RAW else target, more, packer)
            bytes_out[name] = _removed(target)
            return seconds

        return run

    return {
        READ: lambda: _read(uri),
        RAW: stock(RAW, "--archive"),
        GZIP: stock(GZIP, "--archive", "--gzip"),
        FOLDER: stock(FOLDER, "--gzip", f"--out={target}"),
        PIPE: stock(PIPE, "--archive", packer=("zstd", "-q", "-3", "-T2", "-c")),
        OURS: ours,
    }


def _read(uri: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "tests.bench.read_all", uri], stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - begun


def _dump(uri: str, target: Path, more: tuple[str, ...], packer: tuple[str, ...]) -> float:
    begun = time.perf_counter()
    command = [str(require("mongodump")), f"--uri={uri}", "--quiet", *more]
    if any(word.startswith("--out=") for word in more):
        subprocess.run(command, check=True)
        return time.perf_counter() - begun
    with target.open("wb") as stream:
        if not packer:
            subprocess.run(command, stdout=stream, check=True)
        else:
            with subprocess.Popen(command, stdout=subprocess.PIPE) as dump:
                subprocess.run(packer, stdin=dump.stdout, stdout=stream, check=True)
            if dump.returncode:
                raise RuntimeError("mongodump failed")
    return time.perf_counter() - begun


def _removed(target: Path) -> int:
    """How large it was."""
    if target.is_dir():
        size = sum(each.stat().st_size for each in target.rglob("*") if each.is_file())
        shutil.rmtree(target)
        return size
    if not target.exists():
        return 0
    size = target.stat().st_size
    target.unlink()
    return size


def _row(kind: str, name: str, times: Times, size: int, bytes_out: dict[str, int]) -> tuple[str, ...]:
    seconds = statistics.median(times[name])
    out = megabytes(bytes_out[name]) if bytes_out[name] else ""
    return (
        kind,
        f"`{name}`".replace("|", "\\|"),
        f"{seconds:.2f}",
        per_second(size / seconds),
        out,
        faster(times, GZIP, name),
    )


def _finding(kind: str, size: int, times: Times, bytes_out: dict[str, int], cpu: float) -> str:
    against = statistics.median(ratios(times, GZIP, OURS))
    share = statistics.median(ratios(times, PIPE, OURS))
    verdicts = ("reached" if against >= TO_REACH else "NOT REACHED", "within" if share >= PIPE_SHARE else "NOT WITHIN")
    return (
        f"- **{kind.capitalize()}, {megabytes(size)}: a backup is {against:.1f} times as fast as `{GZIP}`** "
        f"({TO_REACH:.0f}: {verdicts[0]}), its file {bytes_out[OURS] / bytes_out[GZIP]:.2f} times as large; "
        f"{statistics.median(ratios(times, FOLDER, OURS)):.1f} times as fast as `{FOLDER}`; {share:.2f} times as fast "
        f"as `{PIPE}`, which proves nothing ({verdicts[1]} 15 %). Its Python process used {cpu:.2f} s of processor "
        f"time, zstd's threads included.{_why_not(against, statistics.median(ratios(times, GZIP, PIPE)))}"
    )


def _why_not(against: float, pipe: float) -> str:
    """What bounds it, where the promise is missed."""
    if against >= TO_REACH:
        return ""
    return (
        f" It misses by {TO_REACH - against:.1f}: on these cores mongod, mongodump and zstd alone, into a file that is "
        f"neither proved nor made durable, reach {pipe:.1f}."
    )
