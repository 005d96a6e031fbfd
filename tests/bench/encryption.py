"""A backup that is encrypted, against one that is not: what it costs in time, and that its memory does not grow."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import pyrage

from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.bench import data
from tests.bench.backups import taken
from tests.bench.page import Section, mebibytes, megabytes, per_second

MEGABYTES = 300
ROUNDS = 5
SCANS = (100, 2000)
LIMIT_BYTES = 50 * 1024 * 1024


def measure() -> Section:
    """See the module."""
    sealed = {"BACKUP_AGE_RECIPIENTS": str(pyrage.x25519.Identity.generate().to_public())}
    ways = {"zstd -3": {}, "zstd -3, then age": sealed}
    with Mongod(cache_gigabytes=1) as mongod, RedisServer() as redis, tempfile.TemporaryDirectory() as place:
        uri, folder = mongod.uri("bench"), Path(place) / "backups"
        size = data.plant_orders(uri, MEGABYTES)
        rounds = [{way: taken(uri, redis.url, folder, more) for way, more in ways.items()} for _ in range(ROUNDS + 1)]
        with mongod.client() as client:
            client.drop_database("bench")
        peaks = []
        for megabytes_ in SCANS:
            scans = mongod.uri(f"scans{megabytes_}")
            data.plant_scans(scans, megabytes_)
            peaks.append(taken(scans, redis.url, folder, sealed).memory_peak_bytes)
            with mongod.client() as client:
                client.drop_database(f"scans{megabytes_}")
    plain, slow = ([each[way].seconds for each in rounds[1:]] for way in ways)
    ratio = statistics.median(other / one for one, other in zip(plain, slow, strict=True))
    growth = peaks[1] - peaks[0]
    verdict = "holds" if growth < LIMIT_BYTES else "DOES NOT HOLD"
    rows = tuple(
        (
            way,
            f"{statistics.median(seconds):.2f}",
            per_second(size / statistics.median(seconds)),
            megabytes(rounds[-1][way].stored_bytes),
            mebibytes(rounds[-1][way].memory_peak_bytes),
        )
        for way, seconds in zip(ways, (plain, slow), strict=True)
    )
    return Section(
        "encryption",
        "Encryption",
        f"**An encrypted backup takes {ratio:.2f} times as long as one that is not.** From {SCANS[0]} MB to "
        f"{SCANS[1]} MB of data the peak of memory grows by {mebibytes(growth)}; the promise, less than "
        f"{mebibytes(LIMIT_BYTES)}, {verdict}.",
        ("packing", "seconds", "data per second", "stored", "peak"),
        rows,
        f"`/backup now` of {megabytes(size)} of orders, {ROUNDS} rounds in turns after one to warm up, medians; the "
        "ratio is the median of the rounds' ratios. The growth is of one encrypted backup of each size, half of it "
        "random bytes. age runs in a thread that takes turns with the reader, so that no more than one piece waits.",
    )
