"""What `negahban check` asks, one function a line of its table."""

from __future__ import annotations

import shutil
from collections.abc import Callable

from bot import checking
from bot.settings import Settings
from bot.wiring.alerting import alertmanager_of, plotter_of, routes_of
from bot.wiring.entrance import Nobody
from bot.wiring.ground import rule_book
from bot.wiring.house import build
from bot.wiring.own import takes_alerts
from bot.wiring.rotating import estate_of
from bot.wiring.runbooks import linted
from handlers.core.ports import Target

FILES = frozenset({"runbooks"})
"""What reads nothing but files."""


def check_table(given: Settings) -> checking.Checks:
    """By what the line says. Raises Refusal for what cannot be built."""
    house = build(given, Nobody())
    database = next(iter(house.copies.targets.values())).database

    def state() -> str:
        house.ground.state.incarnation()
        return "; ".join(str(warning) for warning in house.ground.state.check())

    def store() -> str:
        house.ground.store.list("v1/")
        return ""

    def mongodb() -> str:
        database.facts()
        return ""

    def other(target: Target) -> Callable[[], str]:
        def reached() -> str:
            target.database.facts()
            return ""

        return reached

    def drills() -> str:
        if given.drill_uri or shutil.which(given.drill_mongod):
            return ""
        return (
            f"{given.drill_mongod} is not on PATH: install it or set DRILL_MONGOD or DRILL_URI; backups go on without"
        )

    def slack() -> str:
        from bot.slack.chat import Chat, slack_client

        Chat(slack_client(given.slack_bot_token, given.slack_api_url)).team()
        return ""

    def managed() -> str:
        estate = estate_of(given, house.ground.store, house.ground.recording.file)
        for each in estate.managed.secrets.values():
            if estate.store(each).look(each.place).current is None:
                return f"{each.name} has no value yet"
            strange = set(each.targets) - {*house.copies.catalogues}
            if strange:
                return f"{each.name} names targets that are not configured: {', '.join(sorted(strange))}"
        return ""

    def told() -> str:
        if given.ops_channel or not given.backup_schedule:
            return ""
        return "OPS_CHANNEL is not set: nobody would be told that a backup failed"

    def routed() -> str:
        routes_of(given)
        return "" if takes_alerts(given) else "WEBHOOK_TOKEN is not set: no alerts are taken in"

    def alertmanager() -> str:
        asked = alertmanager_of(given)
        if asked is not None:
            asked.look()
        return ""

    def ruled() -> str:
        known = rule_book(given).current()
        unknown = {each for rule in known.rules for each in rule.targets} - {*house.copies.catalogues}
        if unknown:
            return f"POLICY_FILE names targets that are not configured: {', '.join(sorted(unknown))}"
        if known.breaking is not None and not (given.audit_channel or given.ops_channel):
            return "AUDIT_CHANNEL is not set: nobody would hear that the glass was broken, so it cannot be"
        return ""

    def grouped() -> str:
        from bot.slack.chat import Chat, slack_client

        chat = Chat(slack_client(given.slack_bot_token, given.slack_api_url))
        for group in rule_book(given).current().groups:
            chat.group(group)
        return ""

    def prometheus() -> str:
        plotter = plotter_of(given)
        if plotter is not None:
            plotter.plot("vector(1)", "check", house.ground.clock.now(), None)
        return ""

    return {
        "policy": ruled,
        "alerts": routed,
        "runbooks": lambda: linted(given),
        **({"Alertmanager": alertmanager} if given.alertmanager_url else {}),
        **({"Prometheus": prometheus} if given.prometheus_url else {}),
        **({"secrets": managed} if given.secrets_config else {}),
        "schedule": told,
        "Redis": state,
        f"backups ({house.ground.store.describe()})": store,
        f"MongoDB ({database.name})": mongodb,
        **{f"server {each.name}": other(each) for each in house.copies.servers.values()},
        "mongodump": lambda: _tool("mongodump"),
        **({"mongorestore": lambda: _tool("mongorestore")} if given.restore_loader == "mongorestore" else {}),
        "drills": drills,
        "Slack": slack,
        **({"user groups": grouped} if rule_book(given).current().groups else {}),
    }


def _tool(name: str) -> str:
    return "" if shutil.which(name) else "not on PATH: install MongoDB's Database Tools"
