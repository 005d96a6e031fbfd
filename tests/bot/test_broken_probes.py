"""A probe that breaks: within one run everything it would have told is UNKNOWN, and nothing of it is PASS."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.adapters.audit_file import read_lines
from bot.adapters.clock import SystemClock
from bot.adapters.edge import HttpEdge, PemFile
from bot.adapters.mongo.replica import ReplicaProbe
from bot.adapters.mongo.status import ServerProbe
from bot.adapters.promql import HttpMetrics
from bot.adapters.state_redis import RedisState
from bot.examining import Threads
from handlers.checks.edge import EdgeCheck
from handlers.checks.growth import GrowthCheck
from handlers.checks.metrics import DEFAULT, MetricsCheck, Then
from handlers.checks.mongo import MongoCheck
from handlers.checks.readiness import ReadinessCheck, Triage
from handlers.checks.record import RecordCheck
from handlers.checks.transport import Door
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding
from handlers.core.health.growth import GrowthBook
from handlers.core.health.vitals import Check
from handlers.core.words.answers import TargetName
from handlers.core.words.audit import verify
from sandbox.servers.mongod import Mongod
from sandbox.servers.ports import free_port
from sandbox.servers.prometheus import Prometheus
from tests.conftest import needs

SHOP = TargetName("shop")
SECONDS = 4.0


def examined(check: Check) -> tuple[Finding, ...]:
    return Threads().examine({"it": check}, SHOP, SECONDS)["it"]


def mongo(port: int) -> Check:
    uri = f"mongodb://127.0.0.1:{port}/shop?directConnection=true"
    return MongoCheck(ReplicaProbe(uri), ServerProbe(uri), GrowthCheck(GrowthBook(state(port))))


def state(port: int) -> RedisState:
    return RedisState(f"redis://127.0.0.1:{port}/0", seconds=0.3)


def metrics(port: int) -> Check:
    return MetricsCheck(HttpMetrics(f"http://127.0.0.1:{port}"))


def metrics_then(port: int) -> Check:
    then = Then(HttpMetrics(f"http://127.0.0.1:{port}"), datetime.now(UTC) - timedelta(hours=1))
    return MetricsCheck(then, DEFAULT)


def edge(port: int) -> Check:
    url = f"https://127.0.0.1:{port}/"
    return EdgeCheck(HttpEdge(), SystemClock(), Threads(), url, ("https://shop.example",), file=PemFile("/nowhere"))


def rules(port: int) -> Check:
    """Of the scorecard, those of Prometheus; the others here are no probes."""
    check = ReadinessCheck(
        HttpMetrics(f"http://127.0.0.1:{port}"), None, lambda: Triage(there=True, rollback=True), SystemClock()
    )
    return lambda target, seconds: tuple(each for each in check(target, seconds) if each.name.startswith("rule "))


PROBES: Mapping[str, Callable[[int], Check]] = {
    "mongo": mongo, "metrics": metrics, "metrics, then": metrics_then, "edge": edge, "rules": rules,
}  # fmt: skip


@contextmanager
def mute() -> Iterator[int]:
    """Takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as hole:
        yield hole.getsockname()[1]


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_what_is_mute_is_unknown_within_its_time_and_nothing_of_it_is_well(probe: Callable[[int], Check]) -> None:
    began = time.monotonic()
    with mute() as port:
        found = examined(probe(port))
    assert {each.verdict for each in found} == {Verdict.UNKNOWN}, [str(each.text) for each in found]
    assert time.monotonic() - began < SECONDS + 10


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_what_is_not_there_is_never_well(probe: Callable[[int], Check]) -> None:
    """Nobody listens there: of a public address that is a fault, of anything else it is not known."""
    verdicts = {each.verdict for each in examined(probe(free_port()))}
    assert Verdict.PASS not in verdicts
    assert verdicts <= ({Verdict.UNKNOWN, Verdict.FAIL} if probe is edge else {Verdict.UNKNOWN})


def test_a_mongod_that_dies_between_two_looks_is_unknown_in_the_second() -> None:
    needs("mongod")
    with Mongod() as running:
        check = mongo(running.port)
        assert Verdict.PASS in {each.verdict for each in examined(check)}
        running.kill()
        assert {each.verdict for each in examined(check)} == {Verdict.UNKNOWN}
        running.restart()
        assert Verdict.PASS in {each.verdict for each in examined(check)}


def test_a_prometheus_that_dies_between_two_looks_is_unknown_in_the_second() -> None:
    needs("prometheus")
    with Prometheus("global: {scrape_interval: 1s}\n") as running:
        check = MetricsCheck(HttpMetrics(running.url), [each for each in DEFAULT if each.name == "requests"])
        before = examined(check)
        assert "no value" in str(before[0].text)
        running.kill()
        after = examined(check)
        assert (after[0].verdict, "does not answer" in str(after[0].text)) == (Verdict.UNKNOWN, True)


def test_a_record_that_is_gone_is_not_known(tmp_path: Path) -> None:
    check = RecordCheck(lambda: read_lines(tmp_path / "none.jsonl"), verify, SystemClock())
    assert {each.verdict for each in examined(check)} == {Verdict.UNKNOWN}


def test_ports_of_a_host_that_says_nothing_at_all_are_not_known_to_be_closed() -> None:
    doors = (Door(443, "open", "no-such-name.invalid"), Door(27017, "closed", "no-such-name.invalid"))
    check = EdgeCheck(HttpEdge(), SystemClock(), Threads(), f"http://127.0.0.1:{free_port()}/", (), doors)
    found = {each.name: each.verdict for each in examined(check) if each.name.startswith("port")}
    assert set(found.values()) == {Verdict.UNKNOWN}
