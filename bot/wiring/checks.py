"""What `negahban check` asks, one function a line of its table."""

from __future__ import annotations

import shutil

from bot import checking
from bot.settings import Settings
from bot.wiring.alerting import alertmanager_of, plotter_of, routes_of
from bot.wiring.house import Nobody, build, rule_book
from bot.wiring.rotating import estate_of


def check_table(given: Settings) -> checking.Checks:
    """By what the line says. Raises Refusal for what cannot be built."""
    house = build(given, Nobody())
    database = next(iter(house.targets.values())).database

    def state() -> str:
        house.state.incarnation()
        return "; ".join(str(warning) for warning in house.state.check())

    def store() -> str:
        house.store.list("v1/")
        return ""

    def mongodb() -> str:
        database.facts()
        return ""

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
        estate = estate_of(given, house.store)
        for each in estate.managed.secrets.values():
            if estate.store(each).look(each.place).current is None:
                return f"{each.name} has no value yet"
        return ""

    def told() -> str:
        if given.ops_channel or not given.backup_schedule:
            return ""
        return "OPS_CHANNEL is not set: nobody would be told that a backup failed"

    def routed() -> str:
        routes_of(given)
        return "" if given.webhook_token else "WEBHOOK_TOKEN is not set: no alerts are taken in"

    def runbooks() -> str:
        wrong = house.library.problems()
        return "; ".join(f"{name}: {problem}" for name, said in wrong.items() for problem in said)

    def alertmanager() -> str:
        asked = alertmanager_of(given)
        if asked is not None:
            asked.look()
        return ""

    def ruled() -> str:
        known = rule_book(given).current()
        unknown = {each for rule in known.rules for each in rule.targets} - set(house.targets)
        if unknown:
            return f"POLICY_FILE names targets that are not configured: {', '.join(sorted(unknown))}"
        return ""

    def prometheus() -> str:
        plotter = plotter_of(given)
        if plotter is not None:
            plotter.plot("vector(1)", "check", house.clock.now(), None)
        return ""

    return {
        "policy": ruled,
        "alerts": routed,
        "runbooks": runbooks,
        **({"Alertmanager": alertmanager} if given.alertmanager_url else {}),
        **({"Prometheus": prometheus} if given.prometheus_url else {}),
        **({"secrets": managed} if given.secrets_config else {}),
        "schedule": told,
        "Redis": state,
        f"backups ({house.store.describe()})": store,
        f"MongoDB ({database.name})": mongodb,
        "mongodump": lambda: _tool("mongodump"),
        **({"mongorestore": lambda: _tool("mongorestore")} if given.restore_loader == "mongorestore" else {}),
        "drills": drills,
        "Slack": slack,
    }


def _tool(name: str) -> str:
    return "" if shutil.which(name) else "not on PATH: install MongoDB's Database Tools"
