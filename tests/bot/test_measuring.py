"""What Prometheus is told about the proofs of backups."""

from __future__ import annotations

from datetime import timedelta

from bot.measuring import Proved
from bot.web import Measure, Spread, application
from handlers.core.backups.catalogue import Catalogue
from handlers.core.formats.evidence import Check, Evidence, Verdict
from handlers.core.words.answers import BackupId, JobId, TargetName
from tests.fakes import FakeClock, Faults, MemoryStore

SHOP = TargetName("shop")


class House:
    """A store with receipts, and /metrics over it."""

    def __init__(self) -> None:
        self.clock, self.faults = FakeClock(), Faults()
        self.store = MemoryStore(self.clock, self.faults)
        self.catalogue = Catalogue(SHOP, self.store)
        self.app = application({}, None, Proved({SHOP: self.catalogue}, self.clock))

    def checked(self, check: Check, verdict: Verdict) -> None:
        self.clock.advance(1)
        made = self.clock.now() - timedelta(hours=1)
        backup = BackupId("20261124t030000z-abcdef")
        receipt = Evidence(
            backup, SHOP, check, 3, verdict, "", made, "U0SARA", "slack", JobId("j"), "0" * 64, (), 1, 1, 1, 1
        )
        self.catalogue.dossier.add(receipt)

    def metrics(self) -> str:
        said: list[str] = []
        body = self.app({"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics"}, lambda status, headers: said.append(status))
        assert said == ["200 OK"]
        return b"".join(body).decode()


def test_the_age_of_the_last_good_drill_and_scrub_is_told() -> None:
    house = House()
    house.checked(Check.DRILL, Verdict.PASS)
    house.checked(Check.DRILL, Verdict.FAIL)
    text = house.metrics()
    assert 'negahban_last_good_check_age_seconds{check="drill",target="shop"} 3601.0' in text
    assert 'check="scrub"' not in text
    assert 'negahban_quarantined_backups{target="shop"} 0.0' in text


def test_a_store_that_cannot_be_reached_says_nothing_rather_than_something_old() -> None:
    house = House()
    house.checked(Check.DRILL, Verdict.PASS)
    house.faults.fail("store.list")
    assert "negahban_last_good" not in house.metrics()


def test_the_store_is_listed_at_most_once_a_minute() -> None:
    house = House()
    for _ in range(5):
        house.metrics()
    assert house.faults.calls.count("store.list") == 3
    house.clock.advance(61)
    house.metrics()
    assert house.faults.calls.count("store.list") == 6


def test_a_measure_without_labels_is_told_too() -> None:
    app = application({}, None, lambda: [Measure("negahban_alerts_lost_total", "Cards that were given up", {}, 2)])
    assert b"negahban_alerts_lost_total 2.0" in b"".join(
        app({"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics"}, lambda status, headers: None)
    )


def test_a_spread_is_a_histogram_whose_buckets_add_up() -> None:
    def measures() -> tuple[Spread, ...]:
        return (Spread("negahban_alert_to_chat_seconds", "How late", (0.5, 1.0), (3, 0, 2), 9.5),)

    app = application({}, None, measures)
    body = app({"REQUEST_METHOD": "GET", "PATH_INFO": "/metrics"}, lambda *_: None)
    text = b"".join(body).decode()
    for line in ('bucket{le="0.5"} 3.0', 'bucket{le="1.0"} 3.0', 'bucket{le="+Inf"} 5.0', "count 5.0", "sum 9.5"):
        assert f"negahban_alert_to_chat_seconds_{line}" in text
