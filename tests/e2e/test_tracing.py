"""The bot as it is run, with a collector: a backup is one trace, and nothing secret is in any."""

from __future__ import annotations

import time

import pytest

from sandbox.demo import tour
from sandbox.demo.stage import Stage
from tests.collector import Collector
from tests.conftest import needs

TOKEN = "the-collectors-own-t0ken"


@pytest.mark.timeout(180)
def test_a_backup_typed_in_slack_is_one_trace_from_its_asking_to_its_last_card() -> None:
    for part in ("mongod", "redis-server", "mongodump"):
        needs(part)
    with Collector() as collector:
        more = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=Bearer {TOKEN}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_SERVICE_NAME": "watchman",
        }
        with Stage(more=more) as stage:
            sara = stage.slack.person("U0SARA")
            began = time.time()
            sara.command(tour.OPS, "/backup now")
            tour.ended(sara, "Backup of shop: ")
            [whole] = sara.wait_for(lambda: collector.named("backup.now"), 30, "the trace")
            ended = time.time()
            sara.command(tour.OPS, "/backup list")
            [listed] = sara.wait_for(lambda: collector.named("/backup")[1:], 30, "the other")
            log = stage.bot.log_tail()
    spans = [each for each in collector.spans if each.trace == whole.trace]
    names = {each.name for each in spans}
    assert {"/backup", "waiting", "working", "showing a card", "backup.now"} <= names
    assert {each.parent for each in spans if each != whole} == {whole.id}
    assert began <= whole.began <= whole.ended <= ended
    assert whole.facts.items() >= {"negahban.target": "shop", "negahban.state": "done"}.items()
    assert (listed.trace != whole.trace, listed.parent) == (True, "")
    assert {each.service for each in collector.spans} == {"watchman"}
    assert {each["authorization"] for each in collector.headers} == {f"Bearer {TOKEN}"}
    assert TOKEN not in log
    said = {value for each in collector.spans for value in (each.name, *each.facts.values())}
    assert [each for each in said if "U0" in each or "C0" in each] == []
