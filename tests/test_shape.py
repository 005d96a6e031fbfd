"""What may not grow by accident: calls, bytes and memory, counted; times are never judged here (`make bench`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.state_redis import RedisState
from bot.intake import Intake
from handlers.alerts import Alerts
from handlers.core.alerts.ledger import Ledger
from sandbox.parts import require
from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.bench import data
from tests.bench.backups import taken
from tests.conftest import needs
from tests.posting import posted

TOKEN = "0123456789abcdef"
WEBHOOKS = 50
HEAVY = (
    "slack_bolt",
    "slack_sdk",
    "pymongo",
    "boto3",
    "hvac",
    "redis",
    "dramatiq",
    "matplotlib",
    "pyotp",
    "kubernetes",
)
UNUSED = ("boto3", "hvac", "matplotlib", "kubernetes", "opentelemetry", "psutil", "pyrage", "re2", "segno", "nacl")


def webhook(turn: int) -> bytes:
    alert = {"status": "firing", "labels": {"alertname": "Slow"}, "startsAt": "2026-11-24T03:00:00Z"}
    told = {**alert, "annotations": {"summary": f"p95 is {turn} ms"}}
    return json.dumps({"receiver": "slack", "groupLabels": {"job": "shop"}, "alerts": [told]}).encode()


def commands(client: redis.Redis) -> int:
    stats = client.info("commandstats")
    return sum(int(each["calls"]) for name, each in stats.items() if name not in {"cmdstat_info", "cmdstat_config"})


def test_a_webhook_takes_at_most_eight_commands_of_redis() -> None:
    needs("redis-server")
    with RedisServer() as server, closing(redis.Redis.from_url(server.url)) as client:
        state, clock = RedisState(server.url), SystemClock()
        intake = Intake(Alerts(Ledger(state), clock, SystemEntropy()), TOKEN)
        assert posted(intake, webhook(0), TOKEN) == 200
        before = commands(client)
        assert {posted(intake, webhook(turn), TOKEN) for turn in range(1, 1 + WEBHOOKS)} == {200}
        assert (commands(client) - before) / WEBHOOKS <= 8


@pytest.fixture(scope="module")
def servers() -> Any:
    for part in ("mongod", "redis-server", "mongodump"):
        needs(part)
    with Mongod() as mongod, RedisServer() as server:
        yield mongod, server


@pytest.mark.timeout(120)
def test_a_backup_of_eight_times_the_data_takes_hardly_more_memory(servers: Any, tmp_path: Path) -> None:
    mongod, server = servers
    peaks = []
    for megabytes in (20, 160):
        uri = mongod.uri(f"scans{megabytes}")
        data.plant_scans(uri, megabytes)
        peaks.append(taken(uri, server.url, tmp_path / str(megabytes)).memory_peak_bytes)
    assert peaks[1] - peaks[0] < 24 * 2**20, peaks


@pytest.mark.timeout(120)
def test_a_backup_is_no_larger_than_that_of_mongodump_with_gzip(servers: Any, tmp_path: Path) -> None:
    mongod, server = servers
    uri = mongod.uri("application")
    data.plant_application(uri, 30)
    stored = taken(uri, server.url, tmp_path / "ours").stored_bytes
    theirs = tmp_path / "theirs"
    command = [str(require("mongodump")), f"--uri={uri}", "--gzip", "--quiet", f"--archive={theirs}"]
    subprocess.run(command, check=True)
    assert stored <= theirs.stat().st_size


def test_an_idle_bot_holds_no_library_that_it_does_not_use() -> None:
    """As `run` and its worker start: what is imported where it is used is not there yet."""
    program = (
        "import sys\nfrom bot.__main__ import main\n"
        "assert main(['worker']) == 2\n"  # without settings
        "import bot.serving, bot.wiring.house, bot.slack.app\n"
        f"print(sorted(set({UNUSED!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]}
    )
    assert done.stdout.strip() == "[]"


def test_the_help_imports_nothing_that_it_does_not_need() -> None:
    program = (
        "import sys\nfrom bot.__main__ import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "usage: negahban" in done.stdout
    assert done.stderr.strip() == "[]"
