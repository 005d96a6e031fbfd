"""The sections of /health that are configured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from bot.adapters.clock import SystemClock
from bot.adapters.command import LocalProgram, secrets_of
from bot.examining import Threads
from bot.settings import Settings
from bot.wiring.backups import backup_schedule
from bot.wiring.files import read_file
from bot.wiring.own import takes_alerts
from bot.wiring.recording import Recording
from handlers.checks import lifecycles, metrics, readiness
from handlers.checks.backups import BackupsCheck
from handlers.checks.edge import EdgeCheck
from handlers.checks.growth import GrowthCheck, GrowthKeeper
from handlers.checks.lifecycles import SHIPPED
from handlers.checks.metrics import DEFAULT, MetricsCheck, Question, Then
from handlers.checks.mongo import MongoCheck
from handlers.checks.readiness import ReadinessCheck, Triage
from handlers.checks.record import Anchored, RecordCheck
from handlers.checks.secrets import SecretsCheck
from handlers.checks.transport import Door
from handlers.checks.updates import Host, UpdatesCheck
from handlers.core.alerts.ledger import Ledger
from handlers.core.backups.catalogue import Catalogues
from handlers.core.backups.holdings import Holdings
from handlers.core.health.accesses import Cloud, OwnToken, OwnTokens
from handlers.core.health.growth import GrowthBook
from handlers.core.health.upkeep import UpkeepBook
from handlers.core.health.vitals import Check as HealthCheck
from handlers.core.ports import Clock, State, Target
from handlers.core.rotation.estates import Estate
from handlers.core.runbooks.library import Library
from handlers.core.sealing.heads import HeadBoard
from handlers.core.words.answers import TargetName
from handlers.health import Earlier


def health_checks(
    given: Settings,
    targets: Mapping[TargetName, Target],
    catalogues: Catalogues,
    holdings: Holdings,
    recording: Recording,
    estate: Estate,
    state: State,
) -> Mapping[str, HealthCheck]:
    """The sections of /health that are configured, in their order."""
    from bot.adapters.edge import HttpEdge, PemFile  # imported only where it is used
    from bot.adapters.mongo.replica import ReplicaProbe
    from bot.adapters.mongo.status import ServerProbe
    from bot.adapters.promql import HttpMetrics

    clock = SystemClock()
    growth = GrowthCheck(GrowthBook(state))
    found: dict[str, HealthCheck] = {
        "mongo": MongoCheck(ReplicaProbe(given.mongodb_uri), ServerProbe(given.mongodb_uri), growth)
    }
    if given.prometheus_url:
        found["metrics"] = MetricsCheck(HttpMetrics(given.prometheus_url), questions_of(given))
    if given.public_url:
        found["edge"] = EdgeCheck(
            HttpEdge(),
            clock,
            Threads(),
            given.public_url,
            given.allowed_origins,
            tuple(Door(*each) for each in given.edge_ports),
            PemFile(given.edge_certificate) if given.edge_certificate else None,
            given.edge_names,
        )
    if given.secrets_config or given.health_iam:
        found["secrets"] = SecretsCheck(estate, Threads(), clock, tokens_of(estate), _cloud(given))
    found["backups"] = BackupsCheck(targets, catalogues, holdings, clock, backup_schedule(given))
    program = LocalProgram(secrets_of(given.mongodb_uri))
    known = read_file("LIFECYCLES_FILE", given.lifecycles_file, lifecycles.read) if given.lifecycles_file else SHIPPED
    asked = Host(program, given.updates_command)
    server = ServerProbe(given.mongodb_uri)
    found["updates"] = UpdatesCheck(UpkeepBook(state), asked, server, known, clock)
    found["audit"] = _record(given, recording, state, clock)
    return found


def _record(given: Settings, recording: Recording, state: State, clock: Clock) -> RecordCheck:
    board = HeadBoard(state, given.audit_channel)

    def copies(chain: str) -> Anchored | None:
        newest = recording.archive.newest(chain)
        return None if newest is None else Anchored(newest[0].size, newest[1], recording.archive.describe())

    def channel(chain: str) -> Anchored | None:
        head = board.newest(chain)
        return None if head is None else Anchored(head.size, head.at, head.address)

    pause = timedelta(minutes=given.audit_channel_minutes)
    told = channel if given.audit_channel else None
    return RecordCheck(recording.lines, recording.examine, clock, copies, told, pause)


def readiness_of(given: Settings, ledger: Ledger, library: Library, clock: Clock) -> ReadinessCheck:
    """What only the scorecard asks."""
    from bot.adapters.promql import HttpMetrics  # imported only where it is used

    def triage() -> Triage:
        return Triage(readiness.RUNBOOK in library.runbooks(), bool(given.rollback_command))

    rules = HttpMetrics(given.prometheus_url) if given.prometheus_url else None
    return ReadinessCheck(rules, ledger.reports if takes_alerts(given) else None, triage, clock)


def keeper_of(given: Settings, state: State, targets: Iterable[TargetName]) -> GrowthKeeper:
    """Writes down how large collections are."""
    from bot.adapters.mongo.status import ServerProbe  # imported only where it is used

    return GrowthKeeper(GrowthBook(state), ServerProbe(given.mongodb_uri), SystemClock(), targets)


def measured_then(given: Settings) -> Earlier | None:
    """The metrics of an earlier moment."""
    if not given.prometheus_url:
        return None
    from bot.adapters.promql import HttpMetrics  # imported only where it is used

    past, questions = HttpMetrics(given.prometheus_url), questions_of(given)
    return lambda moment: MetricsCheck(Then(past, moment), questions)


def tokens_of(estate: Estate) -> OwnTokens:
    """The bot's own tokens that can end: those of the stores that are asked with one."""
    return {name: store for name, store in estate.stores.items() if isinstance(store, OwnToken)}


def _cloud(given: Settings) -> Cloud | None:
    if not given.health_iam:
        return None
    from bot.adapters.aws.iam import CredentialReports  # imported only where it is used

    return CredentialReports()


def questions_of(given: Settings) -> Sequence[Question]:
    """What /health metrics asks. Raises Refusal for a file that cannot be used."""
    if not given.health_queries:
        return DEFAULT
    return read_file("HEALTH_QUERIES", given.health_queries, metrics.read)
