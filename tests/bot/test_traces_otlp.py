"""Traces reach a collector as OpenTelemetry asks, and a collector that is away costs nothing but traces."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from bot.adapters.traces_otlp import OtlpTraces
from bot.spans import Span
from tests.collector import Collector

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
AFTER = NOON + timedelta(seconds=90)
WHOLE = Span("backup.now", NOON, AFTER, "j1", whole=True, facts={"negahban.target": "shop"}, wrong="failed")
PART = Span("working", NOON + timedelta(seconds=1.5), AFTER, "j1")
ALONE = Span("taking alerts in", NOON, NOON, facts={"negahban.card": "alert.a"})


def sent(*spans: Span, headers: str = "") -> Collector:
    """A collector that got these."""
    with Collector() as collector:
        with OtlpTraces(collector.url, headers, "1.2.3") as traces:
            for each in spans:
                traces.note(each)
        return collector


def test_a_part_that_is_noted_first_by_another_process_is_below_its_job() -> None:
    [part], [whole, alone] = sent(PART).spans, sent(WHOLE, ALONE).spans
    assert (part.trace, part.parent) == (whole.trace, whole.id)
    assert whole.parent == ""
    assert (whole.name, whole.failed, whole.service) == ("backup.now", True, "negahban")
    assert whole.facts == {"negahban.target": "shop", "negahban.job": "j1", "error.type": "failed"}
    assert (part.began, part.ended, part.failed) == (NOON.timestamp() + 1.5, AFTER.timestamp(), False)
    assert alone.trace != whole.trace
    assert (alone.parent, alone.facts) == ("", {"negahban.card": "alert.a"})


def test_the_same_span_noted_twice_is_one_and_others_are_not() -> None:
    first, again = sent(PART, WHOLE, ALONE).spans, sent(PART, WHOLE, ALONE).spans
    assert [(each.trace, each.id) for each in first] == [(each.trace, each.id) for each in again]
    others = sent(
        Span("waiting", PART.began, AFTER, "j1"),
        Span("working", PART.began, AFTER, "j2"),
        Span("working", NOON, AFTER, "j1"),
        Span("taking alerts in", NOON, NOON, facts={"negahban.card": "alert.b"}),
    ).spans
    ids = [each.id for each in (*first, *others)]
    assert len(set(ids)) == len(ids)


def test_a_clock_that_went_back_makes_no_span_that_ends_before_it_began() -> None:
    [span] = sent(Span("working", AFTER, NOON, "j1")).spans
    assert span.began == span.ended


def test_headers_are_sent_as_the_standard_spells_them() -> None:
    [headers] = sent(PART, headers="x-key=a%20b,authorization=Bearer t0ken").headers
    assert (headers["x-key"], headers["authorization"]) == ("a b", "Bearer t0ken")


def test_the_environment_names_the_service_and_the_share_and_a_job_is_taken_whole_or_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "watchman")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.5")
    jobs = [f"job-{number}" for number in range(200)]
    got = sent(
        *(Span("working", NOON, AFTER, each) for each in jobs),
        *(Span("backup.now", NOON, AFTER, each, whole=True) for each in jobs),
    ).spans
    parts, wholes = ({each.trace for each in got if each.name == name} for name in ("working", "backup.now"))
    assert parts == wholes
    assert 60 < len(parts) < 140
    assert {each.service for each in got} == {"watchman"}


def test_switched_off_by_the_standard_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert sent(WHOLE, PART, ALONE).spans == []


@pytest.mark.parametrize("away", ["refused", "failing"])
def test_a_collector_that_is_away_holds_nobody_up(away: str) -> None:
    with Collector() as collector:
        collector.status = 503
        url = collector.url if away == "failing" else "http://127.0.0.1:9"
        with OtlpTraces(url, "", "1.2.3") as traces:
            began = time.monotonic()
            for number in range(5000):  # more than may wait
                traces.note(Span("working", NOON, AFTER, f"j{number}"))
            noted = time.monotonic() - began
        left = time.monotonic() - began - noted
    assert noted < 5
    assert left < 4


def test_times_are_kept_to_the_microsecond() -> None:
    moment = datetime(2026, 11, 24, 12, 0, 0, 123457, tzinfo=UTC)
    [got] = sent(Span("working", moment, moment, "j1")).spans
    assert round(got.began % 1, 6) == 0.123457
