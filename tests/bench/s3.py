"""A whole backup into an S3 server, against `mongodump --gzip --archive` into the same one, in turns.

- The server is a real radosgw in memory, on the same cores.
- mongodump's stream is uploaded by boto3's own `upload_fileobj`, as its documentation says.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import boto3

from sandbox.parts import require
from sandbox.servers.mongod import Mongod
from sandbox.servers.radosgw import Radosgw
from sandbox.servers.redis import RedisServer
from tests.bench import data
from tests.bench.backups import taken
from tests.bench.one_backup import Taken
from tests.bench.page import Section, mebibytes, megabytes, per_second
from tests.bench.plots import Bars
from tests.bench.turns import faster, in_turns, ratios

MEGABYTES = 900
ROUNDS = 5
TO_REACH = 6.0
GZIP, OURS = "mongodump --gzip --archive, then boto3's upload_fileobj", "/backup now"
_UPLOAD = "import boto3, sys; boto3.client('s3').upload_fileobj(sys.stdin.buffer, sys.argv[1], sys.argv[2])"


def measure() -> Section:
    """See the module."""
    made, sizes = list[Taken](), dict.fromkeys((GZIP, OURS), 0)
    with (
        Mongod(cache_gigabytes=1) as mongod,
        RedisServer() as redis,
        Radosgw() as radosgw,
        tempfile.TemporaryDirectory() as place,
    ):
        uri, bucket = mongod.uri("bench"), "bench"
        given = radosgw.environment(radosgw.create_user(bucket))
        size = data.plant_application(uri, MEGABYTES)
        print(f"s3: {megabytes(size)} of data", flush=True)
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=given["AWS_ENDPOINT_URL_S3"],
            region_name=given["AWS_DEFAULT_REGION"],
            aws_access_key_id=given["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=given["AWS_SECRET_ACCESS_KEY"],
        )
        client.create_bucket(Bucket=bucket)

        def gzip() -> float:
            seconds = _uploaded(uri, bucket, given)
            sizes[GZIP] = client.head_object(Bucket=bucket, Key="dump.gz")["ContentLength"]
            emptied()
            return seconds

        def ours() -> float:
            places = {"BACKUP_DIR": "", "BACKUP_S3_URL": f"s3://{bucket}/backups", "AUDIT_FILE": f"{place}/audit.jsonl"}
            one = taken(uri, redis.url, Path(place) / "unused", {**given, **places})
            made.append(one)
            sizes[OURS] = one.stored_bytes
            emptied()
            return one.seconds

        def emptied() -> None:
            for each in client.list_objects_v2(Bucket=bucket).get("Contents", []):
                client.delete_object(Bucket=bucket, Key=each["Key"])

        times = in_turns("s3", {GZIP: gzip, OURS: ours}, ROUNDS)
    against = statistics.median(ratios(times, GZIP, OURS))
    verdict = "reached"
    if against < TO_REACH:
        verdict = f"NOT REACHED, by {TO_REACH - against:.1f}: the server's own work on the same cores is in the seconds"
    return Section(
        "s3",
        "Throughput into S3",
        f"**Into an S3 server on the same cores a backup is {against:.1f} times as fast as `mongodump --gzip "
        f"--archive`** ({TO_REACH:.0f}: {verdict}), and its file is {sizes[OURS] / sizes[GZIP]:.2f} times as large. "
        f"Its Python process had at most {mebibytes(max(each.memory_peak_bytes for each in made))}.",
        ("what", "seconds", "data per second", "bytes out", "times as fast"),
        tuple(
            (
                f"`{name}`",
                f"{statistics.median(seconds):.2f}",
                per_second(size / statistics.median(seconds)),
                megabytes(sizes[name]),
                faster(times, GZIP, name),
            )
            for name, seconds in times.items()
        ),
        f"{megabytes(size)} of an application's data, {ROUNDS} rounds in turns after one to warm up; medians, and in "
        "brackets how far the ratios went. The server is radosgw with everything in memory, over HTTP. Each of our "
        "parts carries its SHA-256, and the backup exists when its manifest does.",
        times,
        {
            "s3": Bars(
                f"A backup of {megabytes(size)} into S3",
                "MB of data a second",
                {name: [size / each / 1e6 for each in seconds] for name, seconds in times.items()},
                frozenset({OURS}),
            )
        },
    )


def _uploaded(uri: str, bucket: str, given: Mapping[str, str]) -> float:
    begun = time.perf_counter()
    command = [str(require("mongodump")), f"--uri={uri}", "--archive", "--gzip", "--quiet"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as dump:
        subprocess.run(
            [sys.executable, "-c", _UPLOAD, bucket, "dump.gz"],
            stdin=dump.stdout,
            env={"PATH": os.environ["PATH"], **given},
            check=True,
        )
    if dump.returncode:
        raise RuntimeError("mongodump failed")
    return time.perf_counter() - begun
