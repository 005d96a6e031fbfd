"""What stands behind the steps of runbooks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bot.adapters.clock import SystemClock
from bot.adapters.command import LocalProgram, secrets_of
from bot.adapters.state_redis import RedisState
from bot.runbooks import ChannelNotices, DeskBackups, Folder
from bot.settings import Settings
from bot.wiring.alerting import alertmanager_of
from bot.wiring.files import read_file
from bot.wiring.rolling import rollbacks_of
from handlers.core.door.alarms import Alarms
from handlers.core.door.desk import Outside
from handlers.core.door.records import Jobs
from handlers.core.ports import Target
from handlers.core.runbooks import programs
from handlers.core.runbooks.library import Library
from handlers.core.runbooks.probes import ChatTokens
from handlers.core.runbooks.programs import Allowed
from handlers.core.runbooks.run_records import RunRecords
from handlers.deeds import Hands
from handlers.looks import Eyes
from handlers.performing import Performer
from handlers.runbooks import NOTICE
from handlers.steps import SHAPES


def performer_of(
    given: Settings, outside: Outside, state: RedisState, backups: DeskBackups, alarms: Alarms, target: Target
) -> Performer:
    """Performs steps. Connects nothing yet."""
    from bot.adapters.mongo.replica import ReplicaProbe  # imported only where it is used
    from bot.adapters.network_probe import NetworkProbe
    from bot.adapters.promql import HttpMetrics
    from bot.adapters.web_probe import WebProbe

    clock, program = outside.clock, LocalProgram(secrets_of(given.mongodb_uri))
    metrics = HttpMetrics(given.prometheus_url) if given.prometheus_url else None
    eyes = Eyes(WebProbe(), NetworkProbe(), clock, metrics, ReplicaProbe(given.mongodb_uri), given.backend_health_url,
                _places(given), _chat(given))  # fmt: skip
    hands = Hands(
        clock=clock,
        program=program,
        programs=_programs(given),
        backups=backups,
        alertmanager=alertmanager_of(given),
        notices=ChannelNotices(alarms, NOTICE),
        rollbacks=rollbacks_of(given, target.name, state, target.store, clock, eyes),
    )
    return Performer(RunRecords(state), Jobs(state), eyes, hands, clock)


def _chat(given: Settings) -> ChatTokens | None:
    if not given.slack_bot_token:
        return None
    from bot.slack.tokens import SlackTokens  # imported only where it is used: Slack's libraries cost 30 MB

    return SlackTokens(given.slack_bot_token, given.slack_bot_token_file, given.slack_api_url)


def runbooks_folder(given: Settings) -> Path:
    """The team's, or those that come with the bot."""
    return Path(given.runbooks_dir) if given.runbooks_dir else Path(__file__).parents[2] / "runbooks"


def linted(given: Settings) -> str:
    """What is wrong with the files of runbooks and of their programs; empty when nothing is. Reads nothing else."""
    library, allowed = Library(Folder(runbooks_folder(given), SystemClock()), SHAPES), _programs(given)
    wrong = {name: list(said) for name, said in library.problems().items()}
    for name, runbook in library.runbooks().items():
        for number, step in enumerate(runbook.steps, 1):
            if step.kind == "command" and (why := programs.unfit(allowed, step.arguments, confirmed=step.confirm)):
                wrong.setdefault(name, []).append(f"step {number} ({step.name}): {why}")
    return "; ".join(f"{name}: {problem}" for name, said in sorted(wrong.items()) for problem in said)


def _programs(given: Settings) -> Mapping[str, Allowed]:
    if not given.runbook_programs:
        return {}
    return read_file("RUNBOOK_PROGRAMS", given.runbook_programs, programs.read)


def _places(given: Settings) -> Mapping[str, tuple[str, ...]]:
    """What a step means by service, mongodb, prometheus, alertmanager."""
    urls = {"service": given.backend_health_url, "prometheus": given.prometheus_url}
    found = {name: (address,) for name, url in urls.items() if (address := _address(url))}
    hosts = tuple(_host_port(host, 27017) for host in urlsplit(given.mongodb_uri).netloc.rpartition("@")[2].split(","))
    peers = tuple(filter(None, map(_address, given.alertmanager_url)))
    srv = given.mongodb_uri.startswith("mongodb+srv")
    return {**found, **({} if srv else {"mongodb": hosts}), **({"alertmanager": peers} if peers else {})}


def _address(url: str) -> str:
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return _host_port(host, 443 if parts.scheme == "https" else 80) if host else ""


def _host_port(host: str, port: int) -> str:
    return host if re.search(r":[0-9]+$", host) else f"{host}:{port}"
