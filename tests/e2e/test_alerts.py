"""Alerts as they are lived: a real Alertmanager, the bot as it is run, one card that follows the truth."""

from __future__ import annotations

import json
import os
import secrets
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from bot.adapters.alertmanager import HttpAlertmanager
from sandbox.demo import tour
from sandbox.demo.stage import Stage
from sandbox.servers import alerting
from sandbox.servers.alertmanager import Alertmanager
from sandbox.slack.person import Person
from tests.conftest import needs

ALERTS = "C0ALERTS"
TOKEN = secrets.token_urlsafe(24)
LABELS = {"alertname": "SlowAnswers", "severity": "critical", "instance": "a:3000"}


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    for part in ("mongod", "redis-server", "alertmanager"):
        needs(part)
    with Stage(more={"WEBHOOK_TOKEN": TOKEN}, planted=False, alerting=True) as running:
        yield running


@pytest.fixture(scope="module")
def alertmanager(stage: Stage) -> Alertmanager:
    assert stage.alertmanager is not None
    return stage.alertmanager


def cards(stage: Stage, word: str) -> list[dict[str, Any]]:
    return [each for each in stage.slack.person("U0SARA").messages(ALERTS) if word in tour.words(each)]


def started_anew(stage: Stage) -> None:
    """The bot is killed and comes back; the fifteen seconds of its right to act are over."""
    stage.bot.kill()
    with redis.Redis.from_url(stage.given["REDIS_URL"]) as client:
        client.delete("negahban:relay")
    stage.bot.restart()


def test_an_alert_is_one_card_that_is_acknowledged_grows_and_ends(stage: Stage, alertmanager: Alertmanager) -> None:
    sara, omid, started = stage.slack.person("U0SARA"), stage.slack.person("U0OMID"), datetime.now(UTC)
    alerting.fire(alertmanager.url, LABELS, summary="p95 is 1.2 s <!channel> *now*", started=started)
    card = sara.wait_for_message(ALERTS, lambda message: "p95 is 1.2 s" in tour.words(message), 20)
    assert "<!channel>" not in card["text"]
    sara.click(ALERTS, card["ts"], "alert_ack")
    sara.wait_for_message(ALERTS, lambda message: "Acknowledged by" in tour.words(message), 20)
    started_anew(stage)  # its buttons go on working
    omid.click(ALERTS, card["ts"], "alert_unack")
    omid.wait_for_message(ALERTS, lambda message: tour.has_button(message, "alert_ack"), 20)
    alerting.fire(alertmanager.url, {**LABELS, "instance": "b:3000"}, summary="b is slow", started=started)
    sara.wait_for_message(ALERTS, lambda message: "b is slow" in tour.words(message), 20)
    for instance in ("a:3000", "b:3000"):
        alerting.fire(alertmanager.url, {**LABELS, "instance": instance}, summary="x", over=True, started=started)
    sara.wait_for_message(ALERTS, lambda message: "SlowAnswers: over" in tour.words(message), 20)
    assert len(cards(stage, "SlowAnswers")) == 1
    history = [each["text"] for each in sara.wait_for(lambda: sara.thread(ALERTS, card["ts"])[4:] and
               sara.thread(ALERTS, card["ts"])[1:], 20, "history")]  # fmt: skip
    assert any("acknowledged 1 alerts" in each for each in history)
    assert any("Nothing of this group fires any more" in each for each in history)


def test_what_is_acknowledged_is_silenced_in_alertmanager_and_ends_with_it(
    stage: Stage, alertmanager: Alertmanager
) -> None:
    sara, started = stage.slack.person("U0SARA"), datetime.now(UTC)
    labels = {"alertname": "Quiet", "severity": "critical", "instance": "c"}
    asked = HttpAlertmanager([alertmanager.url])
    alerting.fire(alertmanager.url, labels, summary="held by nobody", started=started)
    card = sara.wait_for_message(ALERTS, lambda message: "held by nobody" in tour.words(message), 20)
    sara.click(ALERTS, card["ts"], "alert_ack")
    (standing,) = sara.wait_for(lambda: list(asked.look().silences.values()), 30, "a silence")
    assert standing.by == "U0SARA"
    # Alertmanager tells nobody that a silenced alert is over: only its list does.
    alerting.fire(alertmanager.url, labels, over=True, started=started)
    sara.wait_for_message(ALERTS, lambda message: "no longer has it" in tour.words(message), 60)
    sara.wait_for(lambda: not asked.look().silences or None, 30, "no silence any more")


def test_a_silence_is_asked_for_shows_what_it_covers_stands_and_is_lifted(
    stage: Stage, alertmanager: Alertmanager
) -> None:
    sara, omid, started = stage.slack.person("U0SARA"), stage.slack.person("U0OMID"), datetime.now(UTC)
    labels = {"alertname": "Noisy", "severity": "warning", "job": "shop"}
    asked = HttpAlertmanager([alertmanager.url])
    alerting.fire(alertmanager.url, labels, summary="it flaps", started=started)
    card = sara.wait_for_message(ALERTS, lambda message: "it flaps" in tour.words(message), 20)
    sara.click(ALERTS, card["ts"], "alert_silence")
    view = sara.wait_for_view("form")
    everything = {"for": "1h", "matchers": "job=~.*", "comment": "flaps"}
    sara.submit(view["id"], {name: {"field": value} for name, value in everything.items()})
    (view,) = sara.wait_for(lambda: views_saying(sara, "would silence everything"), 10, "a refusal")
    typed = {"for": "4h", "matchers": 'alertname="Noisy"\njob="shop"', "comment": "flaps until the release"}
    sara.submit(view["id"], {name: {"field": value} for name, value in typed.items()})
    (view,) = sara.wait_for(lambda: views_saying(sara, "It covers 1 alerts that fire now: Noisy"), 10, "it")
    assert asked.look().silences == {}
    sara.submit(view["id"], {name: {"field": value} for name, value in typed.items()})
    ((_, standing),) = sara.wait_for(lambda: list(asked.look().silences.items()), 10, "a silence")
    assert (standing.by, standing.comment.startswith("flaps until the release")) == ("U0SARA", True)
    shown = sara.wait_for_message(ALERTS, lambda message: "it flaps" in tour.words(message) and
                                  "flaps until the release" in tour.words(message), 20)  # fmt: skip
    assert tour.has_button(shown, "alert_unsilence")
    omid.click(ALERTS, card["ts"], "alert_unsilence")
    sara.wait_for(lambda: not asked.look().silences or None, 10, "no silence any more")
    sara.wait_for_message(ALERTS, lambda message: "it flaps" in tour.words(message) and
                          not tour.has_button(message, "alert_unsilence"), 20)  # fmt: skip
    alerting.fire(alertmanager.url, labels, over=True, started=started)


def views_saying(person: Person, words: str) -> list[dict[str, Any]]:
    return [each for each in person.views() if words in json.dumps(each, ensure_ascii=False)]


def test_what_is_pressed_while_alertmanager_is_away_says_that_it_has_not_heard_of_it_until_it_has(
    stage: Stage, alertmanager: Alertmanager
) -> None:
    sara, started = stage.slack.person("U0SARA"), datetime.now(UTC)
    labels = {"alertname": "Apart", "severity": "critical", "instance": "d"}
    asked = HttpAlertmanager([alertmanager.url])
    alerting.fire(alertmanager.url, labels, summary="nobody hears", started=started)
    card = sara.wait_for_message(ALERTS, lambda message: "nobody hears" in tour.words(message), 20)

    def shown(*, told: str = "", hidden: str = "nothing") -> None:
        sara.wait_for_message(ALERTS, lambda message: "nobody hears" in tour.words(message) and
                              told in tour.words(message) and hidden not in tour.words(message), 40)  # fmt: skip

    alertmanager.kill()
    sara.click(ALERTS, card["ts"], "alert_ack")
    shown(told="it may tell others")
    before = edits(stage, card["ts"])
    time.sleep(25)
    assert edits(stage, card["ts"]) == before > 0, "two more looks changed nothing"
    alertmanager.restart()
    shown(told="Acknowledged by", hidden="could not be told")
    assert [each.by for each in asked.look().silences.values()] == ["U0SARA"]
    os.kill(alertmanager.pid, signal.SIGSTOP)  # it takes connections and answers nobody
    try:
        sara.click(ALERTS, card["ts"], "alert_unack")
        shown(told="it may stay quiet")
    finally:
        os.kill(alertmanager.pid, signal.SIGCONT)
    shown(hidden="could not be told")
    assert asked.look().silences == {}
    alerting.fire(alertmanager.url, labels, over=True, started=started)


def edits(stage: Stage, ts: str) -> int:
    """How often this message was changed."""
    return len([each for each in stage.slack.log() if each["method"] == "chat.update" and ts in json.dumps(each)])


def test_many_at_once_share_one_card_and_none_is_missing(stage: Stage, alertmanager: Alertmanager) -> None:
    sara, started = stage.slack.person("U0SARA"), datetime.now(UTC)
    before = len(sara.messages(ALERTS))
    for number in range(40):
        alerting.fire(alertmanager.url, {"alertname": f"Storm{number}", "severity": "warning"}, started=started)
    card = sara.wait_for_message(ALERTS, lambda message: "Many alerts:" in tour.words(message), 30)

    def told() -> int:
        shared = tour.words(next(each for each in sara.messages(ALERTS) if each["ts"] == card["ts"]))
        own = len(cards(stage, "Storm")) - 1
        return own + int(shared.split("Many alerts: ")[1].split(" groups")[0])

    sara.wait_for(lambda: told() == 40 or None, 30, "all forty groups")
    assert len(sara.messages(ALERTS)) - before <= 6
    for number in range(40):
        labels = {"alertname": f"Storm{number}", "severity": "warning"}
        alerting.fire(alertmanager.url, labels, over=True, started=started)
    sara.wait_for_message(ALERTS, lambda message: "groups of alerts fired and are over" in tour.words(message), 60)


@pytest.mark.parametrize(
    ("token", "body", "expected"),
    [
        ("wrong", b"{}", 401),
        ("", b"{}", 401),
        (TOKEN, b"{}", 400),
        (TOKEN, b"\xff", 400),
        (TOKEN, b'{"alerts":[]}', 200),
    ],
    ids=["wrong token", "no token", "no alerts", "no JSON", "an empty list"],
)
def test_the_webhook_takes_only_what_is_one(stage: Stage, token: str, body: bytes, expected: int) -> None:
    address = f"http://127.0.0.1:{stage.bot.port}/webhooks/alertmanager?source=other"
    request = urllib.request.Request(address, body, {"Authorization": f"Bearer {token}"}, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            status = answer.status
    except urllib.error.HTTPError as error:
        with error:
            status = error.code
    assert status == expected
