"""The sections of /health that are configured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.adapters.audit_file import read_lines
from bot.adapters.clock import SystemClock
from bot.settings import Settings
from bot.wiring.files import read_file
from handlers.checks import metrics
from handlers.checks.backups import BackupsCheck
from handlers.checks.edge import EdgeCheck
from handlers.checks.metrics import DEFAULT, MetricsCheck, Question
from handlers.checks.mongo import MongoCheck
from handlers.checks.record import RecordCheck
from handlers.core.answers import TargetName
from handlers.core.catalogue import Catalogues
from handlers.core.holdings import Holdings
from handlers.core.ports import Target
from handlers.core.vitals import Check as HealthCheck


def health_checks(
    given: Settings,
    targets: Mapping[TargetName, Target],
    catalogues: Catalogues,
    holdings: Holdings,
    audit_path: Path,
) -> Mapping[str, HealthCheck]:
    """The sections of /health that are configured, in their order."""
    from bot.adapters.edge import HttpEdge  # imported only where it is used
    from bot.adapters.mongo.replica import ReplicaProbe
    from bot.adapters.mongo.status import ServerProbe
    from bot.adapters.promql import HttpMetrics

    clock = SystemClock()
    found: dict[str, HealthCheck] = {
        "mongo": MongoCheck(ReplicaProbe(given.mongodb_uri), ServerProbe(given.mongodb_uri))
    }
    if given.prometheus_url:
        found["metrics"] = MetricsCheck(HttpMetrics(given.prometheus_url), _questions(given))
    if given.public_url:
        found["edge"] = EdgeCheck(HttpEdge(), clock, given.public_url, given.allowed_origins)
    found["backups"] = BackupsCheck(targets, catalogues, holdings, clock)
    found["audit"] = RecordCheck(lambda: read_lines(audit_path))
    return found


def _questions(given: Settings) -> Sequence[Question]:
    if not given.health_queries:
        return DEFAULT
    return read_file("HEALTH_QUERIES", given.health_queries, metrics.read)
