"""The port Alertmanager, against Debian's real one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from bot.adapters.alertmanager import HttpAlertmanager
from handlers.core import matchers
from handlers.core.errors import OutsideError, Refusal
from handlers.core.matchers import Matcher
from sandbox.servers import alerting
from sandbox.servers.alertmanager import Alertmanager
from sandbox.servers.ports import free_port
from tests.conftest import needs

LABELS = {"alertname": "کند\nSlow", "severity": "critical", "quote": 'a"b\\c'}
NOWHERE = "http://user:hunter2@127.0.0.1:1"


@pytest.fixture(scope="module")
def server() -> Iterator[Alertmanager]:
    needs("alertmanager")
    with Alertmanager(alerting.configuration("http://127.0.0.1:1/", "none", interval="1m")) as running:
        yield running


def later(minutes: int) -> datetime:
    return datetime.now(UTC) + timedelta(minutes=minutes)


def test_an_alert_is_listed_silenced_lengthened_and_heard_again(server: Alertmanager) -> None:
    asked, started = HttpAlertmanager([server.url]), datetime.now(UTC)
    alerting.fire(server.url, LABELS, started=started)
    ((fingerprint, alert),) = asked.look().alerts.items()
    assert (alert.labels, alert.silenced_by) == (LABELS, ())
    assert abs(alert.started - started) < timedelta(milliseconds=1)
    exactly = matchers.of(alert.labels)
    first = asked.silence(exactly, later(15), "U0SARA", "because")
    listing = asked.look()
    assert listing.alerts[fingerprint].silenced_by == (first,)
    assert (listing.silences[first].by, listing.silences[first].comment) == ("U0SARA", "because")
    second = asked.silence(exactly, later(30), "U0SARA", "because", known=first)
    listing = asked.look()
    assert list(listing.silences) == [second], "lengthened, not doubled"
    assert listing.silences[second].until > later(25)
    asked.lift(second)
    listing = asked.look()
    assert (listing.silences, listing.alerts[fingerprint].silenced_by) == ({}, ())
    asked.lift(second)
    asked.lift("00000000-0000-0000-0000-000000000000")


def test_it_says_when_it_started(server: Alertmanager) -> None:
    started = HttpAlertmanager([server.url]).look().started
    assert timedelta(0) <= datetime.now(UTC) - started < timedelta(minutes=10)


def test_the_second_peer_is_asked_when_the_first_is_away(server: Alertmanager) -> None:
    assert HttpAlertmanager([NOWHERE, server.url]).look().started < later(0)


def test_who_is_away_is_said_soon_and_without_a_password() -> None:
    began = time.monotonic()
    with pytest.raises(OutsideError) as caught:
        HttpAlertmanager([NOWHERE, f"http://127.0.0.1:{free_port()}"]).look()
    assert time.monotonic() - began < 10
    assert not caught.value.permanent
    assert "hunter2" not in str(caught.value)


def test_it_says_which_alerts_match(server: Alertmanager) -> None:
    asked = HttpAlertmanager([server.url])
    one = {"alertname": "Disk", "job": "shop"}
    alerting.fire(server.url, one, started=datetime.now(UTC))
    assert asked.matching(matchers.of(one)) == (one,)
    assert one in asked.matching([Matcher("job", "sh.*", regex=True)])
    assert asked.matching([Matcher("job", "shop"), Matcher("alertname", "Disk", equal=False)]) == ()
    alerting.fire(server.url, LABELS, started=datetime.now(UTC))
    assert asked.matching(matchers.read(matchers.spelled(matchers.of(LABELS)))) == (LABELS,)


def test_matchers_that_it_cannot_use_are_a_refusal_with_its_words(server: Alertmanager) -> None:
    asked, wrong = HttpAlertmanager([server.url]), [Matcher("job", "(", regex=True)]
    with pytest.raises(Refusal, match="refuses"):
        asked.matching(wrong)
    with pytest.raises(Refusal, match="refuses"):
        asked.silence(wrong, later(5), "U0SARA", "because")
