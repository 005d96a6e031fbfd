"""An upgrade: the bot starts on what an earlier version left in Redis and in BACKUP_DIR, and everything goes on."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import redis

from bot.adapters.state_redis import RedisState
from handlers.core.door.records import Jobs
from handlers.core.words.jobs import Job, JobState
from sandbox.demo import authenticator, tour
from sandbox.demo.stage import MANIFEST
from sandbox.servers.bot import Bot
from sandbox.servers.mongod import Mongod
from sandbox.slack.server import LocalSlack
from tests.conftest import needs

FIXTURES = Path(__file__).parents[1] / "fixtures" / "state"
MASTER_KEY = base64.b64encode(bytes(32)).decode()


class Left:
    """What was left, put back into a Redis and a folder."""

    def __init__(self, recorded: Path, url: str, place: Path) -> None:
        with tarfile.open(recorded) as archive:
            archive.extractall(place, filter="data")
        self.folder, self.url = place / "backups", url
        about: dict[str, Any] = json.loads((place / "state.json").read_text())
        self.keys: dict[str, str] = about["keys"]
        with redis.Redis.from_url(url) as client:
            for key, fields in about["redis"].items():
                client.hset(key, mapping={name: base64.b64decode(value) for name, value in fields.items()})

    def given(self, slack: LocalSlack, uri: str) -> dict[str, str]:
        """The settings of a bot on it."""
        return {
            "SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token, "SLACK_API_URL": slack.api_url,
            "REDIS_URL": self.url, "MONGODB_URI": uri, "BACKUP_DIR": str(self.folder), "MASTER_KEY": MASTER_KEY,
            "BACKUP_SCHEDULE": "off", "SCRUB_SCHEDULE": "off", "WEBHOOK_TOKEN": "token",
            "OPS_CHANNEL": "C0OPS", "ALERTS_CHANNEL": "C0ALERTS", "AUDIT_CHANNEL": "C0AUDIT",
        }  # fmt: skip


@pytest.fixture(params=sorted(FIXTURES.glob("*.tar.gz")), ids=lambda path: path.name.removesuffix(".tar.gz"))
def left(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Left:
    return Left(request.param, redis_url, tmp_path)


def test_there_is_something_to_upgrade_from() -> None:
    assert list(FIXTURES.glob("*.tar.gz"))


def test_every_record_of_a_job_is_read_and_written_without_a_change_of_meaning(left: Left) -> None:
    state = RedisState(left.url)
    jobs = [held for key in state.keys("job:") if (held := state.get(key)) is not None]
    assert len(jobs) >= 2
    for held in jobs:
        job = Job.from_bytes(held.value)
        assert Job.from_bytes(job.to_bytes()) == job
        assert json.loads(held.value).items() <= json.loads(job.to_bytes()).items()
    assert {each.state for each in Jobs(state).active()} <= {JobState.OFFERED}
    state.close()


def test_the_bot_starts_on_it_lists_its_backup_goes_on_with_its_run_and_knows_its_people(
    left: Left, mongod: Mongod
) -> None:
    needs("mongodump")
    with LocalSlack(manifest=MANIFEST) as slack:
        given = left.given(slack, mongod.uri("shop"))
        (backup,) = {each.parent.name for each in left.folder.rglob("manifest.json")}
        with Bot(given) as bot:
            sara = slack.person("U0SARA")
            sara.command(tour.OPS, "/backup list")
            sara.wait_for_message(tour.OPS, tour.shows(backup), 20)
            sara.command(tour.OPS, "/runbook runs")
            sara.wait_for_message(tour.OPS, tour.shows("Quick triage"), 20)
            _resolved(bot, given["WEBHOOK_TOKEN"])
            # Who was enrolled then is enrolled: the plan asks for a code, and is not refused for want of a factor.
            sara.command(tour.OPS, "/restore latest into shop_copy")
            sara.wait_for_message(tour.OPS, lambda message: tour.has_button(message, "confirm"), 20)
            assert authenticator.code(left.keys["U0SARA"], authenticator.step_now()).isdigit()
            said = bot.log.read_text()
            assert "Traceback" not in said, said
        verified = subprocess.run(
            [sys.executable, "-m", "bot", "audit", "verify"],
            env=Bot(given).environment(), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert verified.returncode in {0, 2}, verified.stdout + verified.stderr


def _resolved(bot: Bot, token: str) -> None:
    alert = {
        "status": "resolved", "labels": {"alertname": "SlowAnswers", "severity": "critical", "instance": "a:3000"},
        "annotations": {}, "startsAt": "2026-11-25T00:00:00Z", "endsAt": "2026-11-25T00:10:00Z",
    }  # fmt: skip
    body = {
        "version": "4", "status": "resolved", "receiver": "negahban", "groupLabels": {"alertname": "SlowAnswers"},
        "alerts": [alert],
    }  # fmt: skip
    request = urllib.request.Request(
        f"http://127.0.0.1:{bot.port}/webhooks/alertmanager", json.dumps(body).encode(),
        {"Authorization": f"Bearer {token}"}, method="POST",
    )  # fmt: skip
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
