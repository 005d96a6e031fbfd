"""The port Alertmanager, against Debian's real one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.adapters.alertmanager import HttpAlertmanager
from bot.adapters.own_keys import Accepted, Knocker, OwnConsumer, OwnValues
from bot.intake import ALERTMANAGER, Intake
from bot.watching import Watching
from bot.web import WebServer, application
from handlers.core.alerts import matchers
from handlers.core.alerts.matchers import Matcher
from handlers.core.alerts.notices import Notice
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.servers import alerting
from sandbox.servers.alertmanager import Alertmanager
from sandbox.servers.ports import free_port
from tests.conftest import needs
from tests.fake_secrets import FaultyFiles
from tests.handlers.test_rotations import DOOR, House, state_of

LABELS = {"alertname": "کند\nSlow", "severity": "critical", "quote": 'a"b\\c'}
NOWHERE = "http://user:hunter2@127.0.0.1:1"


@pytest.fixture(scope="module", params=["alertmanager", "newer-alertmanager"])
def server(request: pytest.FixtureRequest) -> Iterator[Alertmanager]:
    needs(request.param)
    with Alertmanager(alerting.configuration("http://127.0.0.1:1/", "none", interval="1m"), request.param) as running:
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


class Heard:
    """Remembers the names of the alerts that were let in."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def take_in(self, notice: Notice) -> None:
        self.names += [each.labels["alertname"] for each in notice.alerts]

    def take_report(self, tool: str, repo: str, ref: str, body: bytes) -> None:
        raise AssertionError("nobody sends one")


CREDENTIALS = """
route: {{receiver: bot, group_by: [alertname], group_wait: 100ms, group_interval: 1s, repeat_interval: 1h}}
receivers:
  - name: bot
    webhook_configs:
      - url: http://127.0.0.1:{port}/webhooks/alertmanager
        http_config: {{authorization: {{credentials_file: {file}}}}}
"""


def test_alertmanager_takes_a_rotated_token_over_from_its_file_and_no_notification_is_refused(tmp_path: Path) -> None:
    """The engine's whole rotation, over the real store of files, the real webhook and the real Alertmanager."""
    needs("alertmanager")
    house = House(None, DOOR, real=lambda faults: FaultyFiles(tmp_path, faults))
    heard, accepted = Heard(), Accepted(OwnValues(house.secrets, "webhook"))
    intake = Intake(heard, accepted)
    web = WebServer(application({}, None, webhooks={ALERTMANAGER: intake}), "127.0.0.1", 0)
    web.start()
    watching = Watching(accepted, "the token", round_seconds=0.05)
    knock = Knocker(f"http://127.0.0.1:{web.port}{ALERTMANAGER}")

    turned_away: list[bool] = []

    def knocked(token: Sealed) -> bool:
        time.sleep(0.1)  # the clock of the house does not wait
        let_in = knock(token)
        turned_away.append(not let_in)
        return let_in

    house.own["webhook"] = OwnConsumer(knocked)
    house.desk = house.new_desk()
    former = house.secrets.seen("webhook")

    def told(name: str) -> None:
        alerting.fire(running.url, {"alertname": name}, started=datetime.now(UTC))
        deadline = time.monotonic() + 20
        while name not in heard.names and time.monotonic() < deadline:
            time.sleep(0.02)
        assert name in heard.names

    given = CREDENTIALS.format(port=web.port, file=tmp_path / "webhook")
    with watching, Alertmanager(given) as running:
        told("before")
        assert state_of(house.done("webhook")) == "soaking"
        told("between")
        assert knocked(Sealed(former))
        house.clock.advance(2 * 3600)
        assert state_of(house.done("webhook", "retire")) == "retired"
        told("after")
        deadline = time.monotonic() + 20
        while knocked(Sealed(former)):
            assert time.monotonic() < deadline, "the retired token is still let in"
    web.close()
    refused = intake.counts()[ALERTMANAGER, "unauthorized"]
    assert intake.counts()[ALERTMANAGER, "stored"] >= 3
    assert refused == sum(turned_away), "only the knocks, of which the last is the retired token's"
