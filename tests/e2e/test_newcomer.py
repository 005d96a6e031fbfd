"""A newcomer's path: `negahban init` with a few answers, and `check` is green, over sockets and over HTTP."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import parts
from sandbox.demo.stage import MANIFEST
from sandbox.servers.mongod import Mongod
from sandbox.slack.server import LocalSlack
from tests.conftest import needs


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_what_init_writes_is_green_at_the_first_check(
    mongod: Mongod, redis_url: str, database: str, tmp_path: Path, mode: str
) -> None:
    needs("mongodump")
    with LocalSlack(manifest=MANIFEST) as slack:
        by_mode = {
            "socket": {"SLACK_APP_TOKEN": slack.app_token},
            "http": {"SLACK_SIGNING_SECRET": slack.signing_secret},
        }
        secrets = {
            "SLACK_BOT_TOKEN": slack.bot_token, "MONGODB_URI": mongod.uri(database), "REDIS_URL": redis_url,
            **by_mode[mode],
        }  # fmt: skip
        settings = {
            "SLACK_MODE": mode, "SLACK_API_URL": slack.api_url, "OPS_CHANNEL": "C0OPS", "ALERTS_CHANNEL": "C0ALERTS",
            "BACKUP_DIR": str(tmp_path / "backups"),
        }  # fmt: skip
        words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        for name, value in secrets.items():
            (tmp_path / name).write_text(value)
            words += ["--secret", f"{name}={tmp_path / name}"]
        public = ["--public-name", "bot.example.org"] if mode == "http" else []
        ran = subprocess.run(
            [sys.executable, "-m", "bot", "init", "--for", "host", "--directory", str(tmp_path / "bot"),
             *words, *public],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
            env={"PATH": parts.search_path(), "HOME": os.environ.get("HOME", "/")},
        )  # fmt: skip
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "WRONG" not in ran.stdout
    assert not [value for value in secrets.values() if value in ran.stdout + ran.stderr]
