"""The memory of a backup at growing sizes of data: it must not grow with them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.bench import data
from tests.bench.backups import taken
from tests.bench.page import Section, mebibytes, megabytes
from tests.bench.plots import Curve

SIZES = {10: 3, 100: 3, 500: 3, 2000: 3, 8000: 1}
"""Megabytes of data, and how many backups are made of them."""
LIMIT_BYTES = 150 * 1024 * 1024


def measure() -> Section:
    """See the module."""
    rows: list[tuple[str, ...]] = []
    peaks: list[list[int]] = []
    took: list[tuple[float, float]] = []
    with Mongod() as mongod, RedisServer() as redis:
        for size, rounds in SIZES.items():
            uri = mongod.uri(f"bench{size}")
            planted = data.plant_scans(uri, size)
            with tempfile.TemporaryDirectory() as place:
                found = [taken(uri, redis.url, Path(place)) for _ in range(rounds)]
            made = max(found, key=lambda each: each.memory_peak_bytes)
            took.append((planted / 1e6, made.seconds))
            peaks.append(sorted(each.memory_peak_bytes for each in found))
            rows.append(
                (
                    megabytes(planted),
                    megabytes(made.stored_bytes),
                    mebibytes(made.memory_before_bytes),
                    f"{mebibytes(peaks[-1][0])} to {mebibytes(peaks[-1][-1])}",
                    f"{made.seconds:.1f} s",
                )
            )
            print(f"memory: {' | '.join(rows[-1])}", flush=True)
            with mongod.client() as client:
                client.drop_database(f"bench{size}")
    most, growth = max(peak[-1] for peak in peaks), peaks[-1][-1] - peaks[1][0]
    verdict = "holds" if most <= LIMIT_BYTES else "DOES NOT HOLD"
    smallest, *_, largest = SIZES
    return Section(
        "memory",
        "Memory of a backup",
        f"**From {smallest} MB to {largest:,} MB of data the peak is at most {mebibytes(most)}**; the promise, at most "
        f"{mebibytes(LIMIT_BYTES)}, {verdict}. From {list(SIZES)[1]} MB on it grows by {mebibytes(growth)}.",
        ("data", "stored", "before the job", "peak", "took"),
        tuple(rows),
        "Resident memory of the Python process that makes the backup (VmHWM), a fresh one for each of "
        f"{', '.join(map(str, SIZES.values()))} backups of the sizes; from the smallest to the largest peak of each. "
        "mongodump's own memory is not in it. Half of the data is random bytes, half is text.",
        plots={
            "memory-peak": Curve(
                "The peak is constant",
                "MB of data",
                "MiB",
                {"/backup now": [(x, peak[-1] / 2**20) for (x, _), peak in zip(took, peaks, strict=True)]},
                LIMIT_BYTES / 2**20,
            ),
            "memory-seconds": Curve("The time is linear", "MB of data", "seconds", {"/backup now": took}),
        },
    )
