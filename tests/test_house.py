"""The floors of the house hold: each rule about who may import whom refuses a planted violation.

The tree is copied, one violation is planted in the copy, and the checks that `make check` runs must refuse
it by the rule's own name. The copy without a violation passes, so that a refusal is the violation's doing.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sys.executable).parent
RULES: list[dict[str, str]] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]


@dataclass(frozen=True, slots=True)
class Plant:
    """A line put at the end of a file (made when it is not there), and the contract that must refuse it."""

    contract: str
    file: str
    line: str


PLANTS = [
    Plant("one-arrow", "handlers/backup.py", "import bot.wiring"),
    Plant("one-arrow", "handlers/core/door/desk.py", "from bot.slack import blocks"),
    Plant("sandbox-knows-nobody", "sandbox/parts.py", "import bot.settings"),
    Plant("sandbox-knows-nobody", "bot/web.py", "import sandbox.parts"),
    Plant("sandbox-knows-no-handlers", "sandbox/slack/seed.py", "from handlers.core.words import text"),
    Plant("sandbox-knows-no-handlers", "handlers/restore.py", "import sandbox.slack.seed"),
    Plant("handlers-floors", "handlers/utils.py", ""),
    Plant("handlers-floors", "handlers/restore.py", "from handlers import backup"),
    Plant("core-floors", "handlers/core/common.py", ""),
    Plant("core-floors", "handlers/core/words/errors.py", "from handlers.core.door import desk"),
    Plant("core-words", "handlers/core/words/text.py", "from handlers.core.words import cards"),
    Plant("core-formats", "handlers/core/formats/optimes.py", "from handlers.core.formats import objects"),
    Plant("core-door", "handlers/core/door/policy.py", "from handlers.core.door import desk"),
    Plant("core-backups", "handlers/core/backups/extra.py", ""),
    Plant("core-restores", "handlers/core/restores/stagings.py", "from handlers.core.restores import restorations"),
    Plant("core-alerts", "handlers/core/alerts/groups.py", "from handlers.core.alerts import ledger"),
    Plant("core-runbooks", "handlers/core/runbooks/runs.py", "from handlers.core.runbooks import run_cards"),
    Plant("core-rotation", "handlers/core/rotation/secrets.py", "from handlers.core.rotation import turns"),
    Plant("core-sealing", "handlers/core/sealing/seals.py", "from handlers.core.sealing import notary"),
    Plant("core-health", "handlers/core/health/findings.py", "from handlers.core.health import vitals"),
    Plant("bot-floors", "bot/helpers.py", ""),
    Plant("bot-floors", "bot/web.py", "from bot import worker"),
    Plant("bot-floors", "bot/logs.py", "import bot.adapters.clock"),
    Plant("adapters-independent", "bot/adapters/store_directory.py", "from bot.adapters import audit_file"),
    Plant("settings-door", "bot/worker.py", "from bot import settings"),
    Plant("settings-door", "bot/adapters/mongo/driver.py", "import bot.settings"),
    Plant("handlers-touch-nothing", "handlers/backup.py", "import pymongo"),
    Plant("handlers-touch-nothing", "handlers/core/door/approval.py", "import secrets"),
    Plant("handlers-touch-nothing", "handlers/core/restores/readings.py", "import pyrage"),
    Plant("door-slack", "bot/web.py", "import slack_sdk"),
    Plant("door-slack", "bot/relay/loop.py", "from slack_bolt import App"),
    Plant("door-mongodb", "bot/worker.py", "import pymongo"),
    Plant("door-mongodb", "bot/adapters/store_directory.py", "import bson"),
    Plant("door-redis", "bot/worker.py", "import redis"),
    Plant("door-dramatiq", "bot/worker.py", "import dramatiq"),
    Plant("door-s3", "bot/adapters/store_directory.py", "import boto3"),
    Plant("door-second-factor", "bot/adapters/factors/stored.py", "import pyotp"),
    Plant("door-cryptography", "bot/adapters/audit_file.py", "import cryptography"),
    Plant("door-compression", "bot/adapters/store_directory.py", "import zstandard"),
    Plant("door-encryption", "bot/adapters/factors/stored.py", "import pyrage"),
    Plant("door-checksums", "bot/adapters/store_directory.py", "import fastcrc"),
    Plant("door-web", "bot/relay/loop.py", "import waitress"),
    Plant("door-http", "bot/wiring/house.py", "import urllib3"),
    Plant("door-yaml", "bot/wiring/house.py", "import yaml"),
    Plant("door-qr", "bot/web.py", "import segno"),
    Plant("door-metrics", "bot/worker.py", "import prometheus_client"),
    Plant("door-kubernetes", "bot/wiring/house.py", "import kubernetes"),
    Plant("door-cron", "bot/wiring/house.py", "import cronsim"),
    Plant("door-cron", "handlers/backup.py", "from cronsim import CronSim"),
    Plant("door-patterns", "handlers/core/alerts/routes.py", "import re2"),
    Plant("door-prometheus", "bot/wiring/house.py", "import prometheus_api_client"),
    Plant("door-prometheus", "bot/relay/loop.py", "from prometheus_api_client import PrometheusConnect"),
    Plant("door-drawing", "bot/web.py", "import matplotlib"),
    Plant("door-drawing", "bot/slack/chat.py", "from PIL import Image"),
    Plant("door-tracing", "bot/tracing.py", "from opentelemetry import trace"),
    Plant("doors-not-built", "bot/adapters/plots/plots.py", "import requests"),
    Plant("door-vault", "bot/wiring/house.py", "import hvac"),
    Plant("doors-not-built", "bot/wiring/house.py", "import requests"),
    Plant("no-circles", "sandbox/servers/ports.py", "import sandbox.servers.process"),
]

BANNED = [
    "import time",
    "from time import sleep",
    "import os",
    "import socket",
    "import subprocess",
    "import random",
    "import secrets",
    "import threading",
    "import urllib.request",
    "import datetime\n\nNOW = datetime.datetime.now(datetime.UTC)",
    "import datetime\n\nTODAY = datetime.date.today()",
    "import uuid\n\nID = uuid.uuid4()",
]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the checks read. Each test puts back what it changed."""
    copy = tmp_path_factory.mktemp("house")
    shutil.copy(ROOT / "pyproject.toml", copy)
    for room in ("bot", "handlers", "sandbox"):
        shutil.copytree(ROOT / room, copy / room, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


def _lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPTS / "lint-imports"), "--no-cache"]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=60, check=False)


def _ruff(tree: Path, file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPTS / "ruff"), "check", "--no-cache", "--output-format=concise", str(file)]
    return subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=60, check=False)


def _broken(output: str) -> str:
    """The part of the linter's words that names the broken contracts, as one line."""
    return " ".join(output.partition("Broken contracts")[2].split())


def test_the_house_as_it_stands_keeps_every_contract(tree: Path) -> None:
    answer = _lint_imports(tree)
    assert answer.returncode == 0, answer.stdout


def test_every_contract_has_a_violation_that_it_refuses() -> None:
    assert {rule["id"] for rule in RULES} == {plant.contract for plant in PLANTS}


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: f"{plant.contract}: {plant.file}: {plant.line}")
def test_a_contract_refuses_its_violation_by_name(tree: Path, plant: Plant) -> None:
    file = tree / plant.file
    before = file.read_text() if file.exists() else None
    assert before is not None or not plant.line, f"{plant.file} is not in the tree any more"
    file.write_text(f"{before or ''}\n{plant.line}\n")
    try:
        answer = _lint_imports(tree)
    finally:
        if before is None:
            file.unlink()
        else:
            file.write_text(before)
    name = next(rule["name"] for rule in RULES if rule["id"] == plant.contract)
    assert answer.returncode == 1
    assert " ".join(name.split()) in _broken(answer.stdout), answer.stdout


@pytest.mark.parametrize("line", BANNED)
def test_a_handler_that_reaches_for_the_world_is_refused(tree: Path, line: str) -> None:
    file = tree / "handlers" / "planted.py"
    file.write_text(f'"""Planted."""\n\n{line}\n')
    try:
        answer = _ruff(tree, file)
    finally:
        file.unlink()
    assert answer.returncode == 1
    assert "TID251" in answer.stdout, answer.stdout


def test_the_bot_itself_may_read_the_clock(tree: Path) -> None:
    file = tree / "bot" / "planted.py"
    file.write_text('"""Planted."""\n\nimport time\n\nNOW = time.monotonic()\n')
    try:
        answer = _ruff(tree, file)
    finally:
        file.unlink()
    assert answer.returncode == 0, answer.stdout
