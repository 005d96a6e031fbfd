"""The memory of a backup, at two sizes of data: it must not grow with them."""

from __future__ import annotations

import tempfile
from pathlib import Path

from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.bench import data
from tests.bench.backups import taken
from tests.bench.page import Section, mebibytes, megabytes

SIZES = (100, 2000)
ROUNDS = 3
LIMIT_BYTES = 50 * 1024 * 1024


def measure() -> Section:
    """See the module."""
    rows: list[tuple[str, ...]] = []
    peaks: list[list[int]] = []
    with Mongod() as mongod, RedisServer() as redis:
        for size in SIZES:
            uri = mongod.uri(f"bench{size}")
            planted = data.plant_scans(uri, size)
            with tempfile.TemporaryDirectory() as place:
                rounds = [taken(uri, redis.url, Path(place)) for _ in range(ROUNDS)]
            made = max(rounds, key=lambda each: each.memory_peak_bytes)
            peaks.append(sorted(each.memory_peak_bytes for each in rounds))
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
    growth = peaks[-1][-1] - peaks[0][0]
    verdict = "holds" if growth < LIMIT_BYTES else "DOES NOT HOLD"
    return Section(
        "memory",
        "Memory of a backup",
        f"**From {SIZES[0]} MB to {SIZES[1]} MB of data the peak grows by at most {mebibytes(growth)}**; "
        f"the promise, less than {mebibytes(LIMIT_BYTES)}, {verdict}.",
        ("data", "stored", "before the job", "peak", "took"),
        tuple(rows),
        "Resident memory of the Python process that makes the backup (VmHWM), a fresh one for each of "
        f"{ROUNDS} backups of each size; the largest peak at the large size less the smallest at the small one. "
        "mongodump's own memory is not in it. Half of the data is random bytes, half is text.",
    )
