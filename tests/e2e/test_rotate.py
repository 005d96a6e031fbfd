"""A rotation as people do it, in the local Slack: the bot, its store of files and the example backend are real.

- A token minted before works after; a fresh login works; a token of the retired key is refused. All of it is evidence
  in the audit record, and no value is anywhere outside the store.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sandbox.demo import tour
from sandbox.demo.stage import Stage
from sandbox.servers.backend import Backend
from tests.conftest import needs
from tests.e2e.test_dead_worker import children

OPS = tour.OPS
SESSIONS = 1000
RESCUE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Shown:
    """What a test looks at."""

    stage: Stage
    backend: Backend
    folder: Path


CONFIG = """
stores:
  app: {{kind: files, folder: {folder}}}
secrets:
  jwt:
    kind: jwt
    store: app
    overlap: 3s
    consumers:
      - name: shop-api
        roll_out: sleep 1
        reports: ["{url}/internal/secrets"]
        health: {url}/health
        login: {url}/login
        login_body: {folder}/../probe.json
        check: {url}/me
        seconds: 20
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shown]:
    for part in ("mongod", "redis-server", "node"):
        needs(part)
    base = tmp_path_factory.mktemp("rotate")
    folder = base / "secrets"
    folder.mkdir()
    with Backend(folder / "jwt") as backend:
        (base / "probe.json").write_text(json.dumps({"user": "probe", "password": backend.password}))
        config = base / "secrets.yaml"
        config.write_text(CONFIG.format(folder=folder, url=backend.url))
        with Stage(more={"SECRETS_CONFIG": str(config), "BACKUP_PITR": "no"}) as stage:
            yield Shown(stage, backend, folder)


def confirmed(stage: Stage, title: str) -> None:
    sara = stage.slack.person("U0SARA")
    plan = sara.wait_for_message(OPS, lambda each: title in tour.words(each) and tour.has_button(each, "confirm"), 20)
    tour.confirm(stage, plan["ts"], lambda said: None)


@contextmanager
def watched(backend: Backend, token: str) -> Iterator[list[int]]:
    """Asks the backend all the time, over one connection that is opened anew when it ends; what it answered."""
    asked: list[int] = []
    ending = threading.Event()

    def watch() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", backend.port, timeout=5)
        while not ending.wait(1 / 200):
            try:
                connection.request("GET", "/me", headers={"Authorization": f"Bearer {token}"})
                answer = connection.getresponse()
                answer.read()
                asked.append(answer.status)
            except (OSError, http.client.HTTPException):
                asked.append(0)
                connection.close()
        connection.close()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield asked
    finally:
        ending.set()
        thread.join()


def everything(shown: Shown) -> str:
    """All that the bot said or wrote anywhere: Slack, its log, its records."""
    said = json.dumps([shown.stage.slack.person("U0SARA").messages(channel) for channel in (OPS, tour.ALERTS)])
    records = Path(shown.stage.given["BACKUP_DIR"]).rglob("*")
    written = "".join(each.read_text(errors="replace") for each in records if each.is_file())
    return said + written + shown.stage.bot.log.read_text(errors="replace")


@pytest.mark.timeout(240)
def test_nobody_is_logged_out_and_the_retired_key_is_refused(shown: Shown) -> None:
    stage, backend, sara = shown.stage, shown.backend, shown.stage.slack.person("U0SARA")
    first_ring = json.loads((shown.folder / "jwt").read_text())
    before, sessions = backend.log_in(), [backend.log_in(f"user {number}") for number in range(SESSIONS)]
    with watched(backend, before) as asked:
        sara.command(OPS, "/rotate jwt")
        confirmed(stage, "Rotation of jwt")
        tour.ended(sara, "Rotation of jwt: ")
    assert asked.count(200) == len(asked) > 100
    assert all(backend.lets_in(each) for each in sessions)
    fresh = backend.log_in("omid")
    assert backend.lets_in(fresh)
    ring = json.loads((shown.folder / "jwt").read_text())
    assert ring["active"] != "k-first"
    assert set(ring["keys"]) == {"k-first", ring["active"]}
    assert backend.version() == ring["version"]

    time.sleep(3)
    sara.command(OPS, "/rotate jwt retire")
    confirmed(stage, "Retirement of the old jwt")
    tour.ended(sara, "Retirement of the old jwt: ")
    assert not any(backend.lets_in(each) for each in (before, *sessions))
    assert backend.lets_in(fresh)
    assert backend.lets_in(backend.log_in())
    assert [each.name for each in (shown.folder / ".versions" / "jwt").iterdir()] == [
        f"kept.{json.loads((shown.folder / 'jwt').read_text())['version']}"
    ]

    records = [json.loads(each) for each in (Path(stage.given["BACKUP_DIR"]) / "audit.jsonl").read_text().splitlines()]
    evidence: list[Any] = [each["facts"] for each in records if each["event"] == "rotate.proved"]
    assert [each["phase"] for each in evidence] == ["accept", "sign", "drop"]
    assert "shop-api refuses tokens of the retired key." in evidence[-1]["evidence"]
    told = everything(shown)
    for secret in (*first_ring["keys"].values(), *ring["keys"].values(), backend.password):
        assert secret not in told


@pytest.mark.timeout(240)
def test_a_worker_that_is_killed_in_the_middle_logs_nobody_out_and_the_next_one_ends_it(shown: Shown) -> None:
    stage, backend, sara = shown.stage, shown.backend, shown.stage.slack.person("U0SARA")
    before = backend.log_in()
    first = json.loads((shown.folder / "jwt").read_text())
    done = rotations_done(stage)
    with watched(backend, before) as asked:
        sara.command(OPS, "/rotate jwt")
        confirmed(stage, "Rotation of jwt")
        (worker,) = children(stage.bot.pid, "worker")
        sara.wait_for(lambda: children(worker.pid, "sleep"), 30, "a roll-out")
        worker.kill()
        sara.wait_for(lambda: rotations_done(stage) == done + 1, RESCUE_SECONDS, "the end of the rotation")
    assert asked.count(200) == len(asked)
    ring = json.loads((shown.folder / "jwt").read_text())
    assert ring["active"] != first["active"]
    assert set(ring["keys"]) == {first["active"], ring["active"]}
    assert backend.lets_in(before)
    assert backend.lets_in(backend.log_in())


def rotations_done(stage: Stage) -> int:
    """How many cards say so."""
    return sum("Rotation of jwt: done" in tour.words(each) for each in stage.slack.person("U0SARA").messages(OPS))
