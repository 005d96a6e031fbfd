"""A rotation as people do it, in the local Slack: the bot, its store of files and the example backend are real.

- A token minted before works after; a fresh login works; a token of the retired key is refused. All of it is evidence
  in the audit record, and no value is anywhere outside the store.
- Everything that a card offers is done by its button: showing the plan of what is due, retiring.
- Three people take turns: a code counts once, so each of them needs half a minute between two.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
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
REFUSED_SECONDS = 60


PEOPLE = ("U0SARA", "U0OMID", "U0LEILA")
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Shown:
    """What a test looks at, and whose turn it is."""

    stage: Stage
    backend: Backend
    folder: Path
    turns: Iterator[str]

    def asked(self, words: str, title: str) -> None:
        """Somebody types it, and confirms the plan."""
        person = next(self.turns)
        self.stage.slack.person(person).command(OPS, words)
        confirmed(self.stage, title, person)

    def pressed(self, value: str, title: str) -> None:
        """Somebody presses the newest button that stands for it, and confirms the plan."""
        person = next(self.turns)
        press(self.stage, value, person)
        confirmed(self.stage, title, person)

    def seen(self, *parts: str) -> Any:
        """The newest message with these words, when it comes."""
        sara = self.stage.slack.person("U0SARA")
        return sara.wait_for_message(OPS, lambda each: all(part in tour.words(each) for part in parts), 60)


def press(stage: Stage, value: str, person: str = "U0SARA") -> None:
    """The newest button that stands for this."""
    who = stage.slack.person(person)

    def blocks(message: Any) -> list[str]:
        rows = [each for each in message.get("blocks", []) if each["type"] == "actions"]
        return [row["block_id"] for row in rows if any(each.get("value") == value for each in row["elements"])]

    message = who.wait_for_message(OPS, lambda each: bool(blocks(each)), 20)
    who.click(OPS, message["ts"], "rotate_pick", block_id=blocks(message)[0])


CONFIG = """
stores:
  app: {{kind: files, folder: {folder}}}
secrets:
  mail: {{kind: generic, store: app, overlap: 1s, consumers: [{{name: mailer, verify: "true"}}]}}
  push: {{kind: generic, store: app, overlap: 1s, consumers: [{{name: pusher, verify: "true"}}]}}
  data:
    kind: encryption_key
    store: app
    overlap: 1s
    consumers:
      - {{name: shop-api, reports: ["{url}/internal/secrets"], reencrypt: "{url}/internal/encryption", seconds: 20}}
  jwt:
    kind: jwt
    store: app
    overlap: 3s
    consumers:
      - name: shop-api
        roll_out: sleep 2
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
    for name, days in (("mail", 84), ("push", 95)):
        (folder / name).write_text(f"the first {name}")
        os.utime(folder / name, (time.time() - days * DAY,) * 2)
    config = base / "secrets.yaml"
    stage = Stage(more={"SECRETS_CONFIG": str(config), "BACKUP_PITR": "no"})
    database = f"mongodb://127.0.0.1:{stage.mongod.port}/cards"  # the shop's customers have a schema of their own
    with Backend(folder / "jwt", data_ring=folder / "data", database=database) as backend:
        (base / "probe.json").write_text(json.dumps({"user": "probe", "password": backend.password}))
        config.write_text(CONFIG.format(folder=folder, url=backend.url))
        with stage:
            for person in PEOPLE[1:]:
                stage.enrol(person)
            yield Shown(stage, backend, folder, itertools.cycle(PEOPLE))


def confirmed(stage: Stage, title: str, person: str) -> None:
    who = stage.slack.person(person)
    plan = who.wait_for_message(OPS, lambda each: title in tour.words(each) and tour.has_button(each, "confirm"), 20)
    tour.confirm(stage, plan["ts"], lambda said: None, person)


@contextmanager
def watched(backend: Backend, *tokens: str) -> Iterator[list[int]]:
    """Asks the backend all the time, with each session in turn, over one connection that is opened anew when it ends;
    what it answered."""
    asked: list[int] = []
    turns = itertools.cycle(tokens)
    ending = threading.Event()

    def watch() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", backend.port, timeout=5)
        while not ending.wait(1 / 200):
            try:
                connection.request("GET", "/me", headers={"Authorization": f"Bearer {next(turns)}"})
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
def test_nobody_is_logged_out_and_the_retired_key_is_refused(
    shown: Shown, record_property: Callable[[str, object], None]
) -> None:
    stage, backend, sara = shown.stage, shown.backend, shown.stage.slack.person("U0SARA")
    first_ring = json.loads((shown.folder / "jwt").read_text())
    before, sessions = backend.log_in(), [backend.log_in(f"user {number}") for number in range(SESSIONS)]
    with watched(backend, before, *sessions) as asked:
        shown.asked("/rotate jwt", "Rotation of jwt")
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
    shown.pressed("jwt retire", "Retirement of the old jwt")
    retiring = time.monotonic()
    while backend.lets_in(before):
        assert time.monotonic() - retiring < REFUSED_SECONDS
        time.sleep(0.05)
    record_property("refused_after_seconds", round(time.monotonic() - retiring, 2))
    print(
        f"{len(asked)} requests, none refused; the old key refused {time.monotonic() - retiring:.2f} s after the code"
    )
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
def test_a_rotation_rests_by_a_button_of_its_card_and_goes_on_by_another(shown: Shown) -> None:
    backend, first = shown.backend, json.loads((shown.folder / "jwt").read_text())
    before = backend.log_in()
    with watched(backend, before) as asked:
        shown.asked("/rotate jwt", "Rotation of jwt")
        press(shown.stage, "jwt pause")
        shown.seen("It rests before this step", "Both values are accepted for as long as it rests", "Continue")
        resting = json.loads((shown.folder / "jwt").read_text())
        time.sleep(3)
        assert json.loads((shown.folder / "jwt").read_text()) == resting
        shown.pressed("jwt continue", "Rest of the rotation of jwt")
        shown.seen("Rest of the rotation of jwt: done")
    assert asked.count(200) == len(asked)
    assert json.loads((shown.folder / "jwt").read_text())["active"] != first["active"]
    assert backend.lets_in(before)
    assert backend.lets_in(backend.log_in())
    time.sleep(3)
    retired = said(shown.stage, "Retirement of the old jwt: done")
    shown.pressed("jwt retire", "Retirement of the old jwt")
    sara = shown.stage.slack.person("U0SARA")
    sara.wait_for(lambda: said(shown.stage, "Retirement of the old jwt: done") == retired + 1, 60, "the retirement")


@pytest.mark.timeout(240)
def test_a_worker_that_is_killed_in_the_middle_logs_nobody_out_and_the_next_one_ends_it(shown: Shown) -> None:
    stage, backend, sara = shown.stage, shown.backend, shown.stage.slack.person("U0SARA")
    before = backend.log_in()
    first = json.loads((shown.folder / "jwt").read_text())
    done = said(stage, "Rotation of jwt: done")
    with watched(backend, before) as asked:
        shown.asked("/rotate jwt", "Rotation of jwt")
        (worker,) = children(stage.bot.pid, "worker")
        sara.wait_for(lambda: children(worker.pid, "sleep"), 30, "a roll-out")
        worker.kill()
        sara.wait_for(
            lambda: said(stage, "Rotation of jwt: done") == done + 1, RESCUE_SECONDS, "the end of the rotation"
        )
    assert asked.count(200) == len(asked)
    ring = json.loads((shown.folder / "jwt").read_text())
    assert ring["active"] != first["active"]
    assert set(ring["keys"]) == {first["active"], ring["active"]}
    assert backend.lets_in(before)
    assert backend.lets_in(backend.log_in())


@pytest.mark.timeout(240)
def test_in_an_emergency_the_plan_says_what_breaks_and_the_old_key_is_refused_at_once(shown: Shown) -> None:
    backend = shown.backend
    before = backend.log_in()
    shown.asked("/rotate jwt now!", "Everybody is logged out and must log in again")
    shown.seen("Rotation of jwt: done", "the old one is refused from now on")
    assert not backend.lets_in(before)
    assert backend.lets_in(backend.log_in())
    assert len(json.loads((shown.folder / "jwt").read_text())["keys"]) == 1


@pytest.mark.timeout(240)
def test_what_is_due_is_told_with_a_button_and_ends_by_the_button_of_its_card(shown: Shown) -> None:
    old = (shown.folder / "push").read_bytes()
    shown.seen("mail should be rotated within a week", "Show the plan")
    shown.seen("push must be rotated: it is too old", "Show the plan")
    shown.pressed("push", "Rotation of push")
    shown.seen("Rotation of push: done", "Retire the old one")
    assert (shown.folder / "push").read_bytes() != old
    time.sleep(1)
    shown.pressed("push retire", "This cannot be undone")
    shown.seen("The old value of push is retired and destroyed")


@pytest.mark.timeout(240)
def test_a_key_that_a_backup_needs_is_kept_and_a_restore_says_when_it_is_gone(shown: Shown) -> None:
    stage, backend = shown.stage, shown.backend
    assert backend.write("c-1", "4111", backend.log_in())
    sara = stage.slack.person("U0SARA")
    sara.command(OPS, "/backup now")
    tour.ended(sara, "Backup of shop: ")
    shown.asked("/rotate data", "Rotation of data")
    shown.seen("Rotation of data: done")
    time.sleep(1)
    sara.command(OPS, "/rotate data retire")
    shown.seen("data", "backup", "need")
    ring = json.loads((shown.folder / "data").read_text())
    assert len(ring["keys"]) == 2
    (shown.folder / "data").write_text(json.dumps(ring | {"keys": {ring["active"]: ring["keys"][ring["active"]]}}))
    sara.command(OPS, "/restore latest")
    shown.seen("The key k-first of data is gone")


def said(stage: Stage, words: str) -> int:
    """How many cards say so."""
    return sum(words in tour.words(each) for each in stage.slack.person("U0SARA").messages(OPS))
