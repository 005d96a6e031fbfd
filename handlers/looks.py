"""Steps that only look: http, network, promql, mongo, slack_token.

- PASS and FAIL are what was established; what could not be established raises OutsideError and is UNKNOWN.
- The sentence says the worst thing; the facts say the rest.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from handlers.core.ports import Clock
from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.runbooks.probes import ChatTokens, Metrics, MongoState, Network, ReplicaState, Web
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Seconds, Text, spelled_seconds

Arguments = Mapping[str, str]
MOST_ROWS = 300
COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "above": operator.gt,
    "below": operator.lt,
}


@dataclass(frozen=True, slots=True)
class Eyes:
    """What a look goes through. None or empty: not configured. `places`: names of addresses, each host:port."""

    web: Web
    network: Network
    clock: Clock
    metrics: Metrics | None = None
    mongo: MongoState | None = None
    health_url: str = ""
    places: Mapping[str, tuple[str, ...]] | None = None
    chat: ChatTokens | None = None


def passed(text: Text, *facts: tuple[str, str], output: str = "") -> Result:
    """It is as it should be."""
    return Result(StepState.PASSED, text, facts, output)


def failed(text: Text, *facts: tuple[str, str], output: str = "") -> Result:
    """It is not."""
    return Result(StepState.FAILED, text, facts, output)


def unknown(text: Text, *facts: tuple[str, str], output: str = "") -> Result:
    """Nobody could tell."""
    return Result(StepState.UNKNOWN, text, facts, output)


def http(eyes: Eyes, given: Arguments, seconds: float) -> Result:
    """An address answers with the status, the words in the body, in time."""
    url = given.get("url") or eyes.health_url
    if not url:
        return unknown(Text("No address: the step names none, and BACKEND_HEALTH_URL is not set."))
    page = eyes.web.get(url, seconds)
    shown = url.partition("?")[0]
    if not page.status:
        return failed(Text("{url} does not answer: {why}.", url=shown, why=page.why))
    facts = (("Status", str(page.status)), ("Answered in", spelled_seconds(page.seconds)))
    wanted, body, most = given.get("status", "200"), given.get("body", ""), given.get("within")
    if str(page.status) != wanted:
        text = Text("{url} answered {status}, not {wanted}.", url=shown, status=str(page.status), wanted=wanted)
        return failed(text, *facts, output=page.body)
    if body and body not in page.body:
        return failed(Text("{url} answered without {body}.", url=shown, body=body), *facts, output=page.body)
    if most is not None and page.seconds > float(most):
        text = Text("{url} took {took}; {most} is the most.", url=shown, took=Seconds(page.seconds),
                    most=Seconds(float(most)))  # fmt: skip
        return failed(text, *facts, output=page.body)
    text = Text("{url} answered {status} in {took}.", url=shown, status=str(page.status), took=Seconds(page.seconds))
    return passed(text, *facts, output=page.body)


def slack_token(eyes: Eyes, given: Arguments, seconds: float) -> Result:
    """The token in the file works: as a new one that nobody uses yet, or as the one that is in use."""
    found = None if eyes.chat is None else eyes.chat.look()
    if found is None or not found.stored:
        return unknown(
            Text("SLACK_BOT_TOKEN_FILE is not set, so the bot sees a new token only when it is restarted. Look there.")
        )
    if found.why:
        return failed(Text("Slack does not let the token in the file in as this bot: {why}.", why=found.why))
    if given.get("used", "no") == "yes":
        if found.changed:
            return failed(Text("The bot still uses another token than the one in the file. Restart it."))
        return passed(Text("The bot uses the token in the file, and Slack lets it in."))
    if not found.changed:
        return failed(Text("The file holds the token that the bot uses already. Put the new one there."))
    return passed(Text("Slack lets the new token in the file in, as this bot in this workspace."))


def network(eyes: Eyes, given: Arguments, seconds: float) -> Result:
    """Names have addresses, ports take connections, certificates are believed."""
    if "address" in given:
        addresses: tuple[str, ...] = (given["address"],)
    else:
        places = eyes.places or {}
        wanted = given.get("place", "")
        addresses = tuple(each for name, found in places.items() if wanted in {"", name} for each in found)
    if not addresses:
        return unknown(Text("No address: the step names none that is configured."))
    found = [_reached(eyes, each, given, seconds / len(addresses)) for each in addresses]
    facts = tuple((address, str(result.text)) for address, result in zip(addresses, found, strict=True))
    bad = [each for each in found if each.state is StepState.FAILED]
    unsure = [each for each in found if each.state is StepState.UNKNOWN]
    if bad:
        return failed(bad[0].text, *facts)
    if unsure:
        return unknown(unsure[0].text, *facts)
    return passed(Text("{count} addresses are found and take connections.", count=len(found)), *facts)


def _reached(eyes: Eyes, address: str, given: Arguments, seconds: float) -> Result:
    host, port = _split(address)
    try:
        addresses = eyes.network.resolve(host, seconds / 3)
        if not addresses:
            return failed(Text("The name {host} does not exist.", host=host))
        if not port:
            return passed(Text("{host} is {addresses}", host=host, addresses=", ".join(addresses[:4])))
        made = eyes.network.connect(host, port, seconds / 3)
        if made.why:
            return failed(Text("{address} takes no connection: {why}.", address=address, why=made.why))
        if given.get("tls") != "yes":
            return passed(Text("{address} took a connection in {took}.", address=address, took=Seconds(made.seconds)))
        shown = eyes.network.tls(host, port, seconds / 3)
    except OutsideError as error:
        return unknown(error.text)
    if shown.why:
        return failed(Text("The certificate of {address} is not believed: {why}.", address=address, why=shown.why))
    if shown.until is None:
        return unknown(Text("{address} did not say until when its certificate is good.", address=address))
    left = shown.until - eyes.clock.now()
    if left.days < int(given.get("days", "7")):
        return failed(Text("The certificate of {address} ends {until}.", address=address, until=shown.until))
    return passed(Text("The certificate of {address} is good until {until}.", address=address, until=shown.until))


def _split(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit() and not host.endswith(":") and (":" not in host or host.endswith("]")):
        return host.strip("[]"), int(port)
    return address.strip("[]"), 0


def promql(eyes: Eyes, given: Arguments, seconds: float) -> Result:
    """Every series keeps the bound; no series at all is not known, unless `absent: yes` says that none is right."""
    if eyes.metrics is None:
        return unknown(Text("PROMETHEUS_URL is not set."))
    expression = given["query"]
    samples = eyes.metrics.ask(expression, seconds)
    bounds = {name: float(given[name]) for name in COMPARISONS if name in given}
    rows = "\n".join(f"{_series(each.labels)}  {each.value:g}" for each in samples[:MOST_ROWS])
    if not samples:
        if given.get("absent") == "yes":
            return passed(Text("Nothing is there, as it should be."))
        return unknown(Text("Prometheus has no value for that."))
    facts = tuple((_series(each.labels)[:60], f"{each.value:g}") for each in samples[:4])
    if any(math.isnan(each.value) for each in samples):
        return unknown(Text("A value is not a number: too little was measured."), *facts, output=rows)
    worst = [each for each in samples if any(COMPARISONS[name](each.value, bound) for name, bound in bounds.items())]
    said = " and ".join(f"not {name} {bound:g}" for name, bound in bounds.items())
    if worst:
        text = Text("{count} of {all} are not as they should ({said}); the first is {value}.", count=len(worst),
                    all=len(samples), said=said, value=f"{worst[0].value:g}")  # fmt: skip
        return failed(text, *facts, output=rows)
    return passed(Text("{count} values, {said}.", count=len(samples), said=said or Text("read")), *facts, output=rows)


def _series(labels: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(labels.items()) if name != "__name__") or "value"


def mongo(eyes: Eyes, given: Arguments, seconds: float) -> Result:
    """A primary, every member well, none far behind, the oplog long enough, connections left."""
    if eyes.mongo is None:
        return unknown(Text("No MongoDB is configured."))
    state = eyes.mongo.look(seconds)
    facts = tuple(_mongo_facts(state))
    problems = list(_mongo_problems(state, given))
    rows = "\n".join(
        f"{each.name:<30} {each.state:<12} {'-' if each.lag_seconds is None else spelled_seconds(each.lag_seconds)}"
        for each in state.members
    )
    output = "\n".join((rows, *(state.slow or ())[:MOST_ROWS]))
    if problems:
        return failed(problems[0], *facts, output=output)
    doubts = [each.name for each in state.members if each.healthy and each.lag_seconds is None
              and each.state == "SECONDARY"]  # fmt: skip
    if doubts:
        return unknown(Text("How far {name} is behind is not known.", name=doubts[0]), *facts, output=output)
    if state.window_seconds is None and "window_hours" in given:
        return unknown(Text("How far the oplog reaches back is not known."), *facts, output=output)
    if state.slow is None and "slow" in given:
        return unknown(Text("Which operations are slow is not known."), *facts, output=output)
    return passed(Text("{primary} is the primary, {count} members are well.", primary=state.primary,
                       count=len(state.members)), *facts, output=output)  # fmt: skip


def _mongo_problems(state: ReplicaState, given: Arguments) -> list[Text]:
    found = []
    if state.silent:
        found.append(Text("{name} should be the primary and does not answer.", name=state.silent))
    elif not state.primary:
        found.append(Text("There is no primary: nobody can write."))
    found += [
        Text("{name} is {state}.", name=each.name, state=each.state or Text("not reachable"))
        for each in state.members
        if not each.healthy or each.state not in {"PRIMARY", "SECONDARY", "ARBITER"}
    ]
    most = float(given["lag_seconds"])
    found += [
        Text("{name} is {lag} behind.", name=each.name, lag=Seconds(each.lag_seconds))
        for each in state.members
        if each.lag_seconds is not None and each.lag_seconds > most
    ]
    window, wanted = state.window_seconds, float(given.get("window_hours", "0")) * 3600
    if window is not None and window < wanted:
        found.append(Text("The oplog reaches back {window} only.", window=Seconds(window)))
    if state.connections_left < int(given["connections_left"]):
        found.append(Text("{left} connections are left.", left=state.connections_left))
    if "slow" in given and len(state.slow or ()) > int(given["slow"]):
        found.append(Text("{count} operations take longer than a second.", count=len(state.slow or ())))
    return found


def _mongo_facts(state: ReplicaState) -> list[tuple[str, str]]:
    lags = [each.lag_seconds for each in state.members if each.lag_seconds is not None]
    window = "not known" if state.window_seconds is None else spelled_seconds(state.window_seconds)
    return [
        ("Primary", state.primary or "none"),
        ("Members", ", ".join(f"{each.name} {each.state}" for each in state.members)),
        ("Furthest behind", spelled_seconds(max(lags)) if lags else "not known"),
        ("Oplog reaches back", window),
        ("Connections", f"{state.connections}, {state.connections_left} left"),
        ("Slow operations", "not known" if state.slow is None else str(len(state.slow))),
    ]
