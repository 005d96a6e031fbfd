"""The tour: what a person on call would do, done through the local Slack, each step checked.

- A step that does not see what it should raises WentWrong; the tour then ends with a non-zero exit code.
- Data is compared document by document, with every option and index.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox.demo import shop
from sandbox.demo.stage import Stage
from sandbox.servers import alerting

OPS, ALERTS = "C0OPS", "C0ALERTS"
JOB_SECONDS = 120.0
_BACKUP = re.compile(r"\d{8}t\d{6}z-[a-z2-7]{6}")


class WentWrong(Exception):
    """A step did not see what it should."""


def take(stage: Stage, say: Callable[[str], None]) -> None:
    """The whole tour. Raises WentWrong."""
    sara, omid = stage.slack.person("U0SARA"), stage.slack.person("U0OMID")
    before = shop.picture(stage.uri)
    documents = sum(len(each["documents"]) for each in before.values())
    say(f"The shop holds {documents:,} documents in {len(before)} collections.")

    say("Sara types /backup now")
    sara.command(OPS, "/backup now")
    card = ended(sara, "Backup of shop: ")
    backup = _BACKUP.search(words(card))
    if backup is None:
        raise WentWrong(f"the card names no backup: {words(card)}")
    say(f"  its card says: {first_line(card)}")
    details = sara.wait_for(lambda: sara.thread(OPS, card["ts"])[1:], 20, "details in the thread")
    say(f"  details are in its thread: {len(details)} messages")

    alert(stage, say)
    health(stage, say)
    runbook(stage, say)
    rotation(stage, say)
    say("Then things go wrong: orders deleted, names overwritten, an index dropped, a view gone")
    shop.live_on(stage.uri)
    if shop.picture(stage.uri) == before:
        raise WentWrong("nothing changed, so a restore would prove nothing")

    say("Omid, who has no second factor, types /restore latest")
    omid.command(OPS, "/restore latest")
    no = omid.wait_for_message(OPS, lambda message: "second factor" in words(message), 20)
    say(f"  only he sees: {first_line(no)}")

    say("Sara types /restore latest")
    sara.command(OPS, "/restore latest")
    plan = sara.wait_for_message(
        OPS, lambda message: "Restore" in words(message) and has_button(message, "confirm"), 20
    )
    say(f"  the plan: {first_line(plan)}")
    confirm(stage, plan["ts"], say)
    card = ended(sara, "into shop: ")
    say(f"  its card says: {first_line(card)}")

    after = shop.picture(stage.uri)
    wrong = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
    if wrong:
        raise WentWrong(f"not as it was backed up: {', '.join(wrong)}")
    say("  every document, option and index is as it was backed up")

    say("Sara types /backup list")
    sara.command(OPS, "/backup list")
    listed = sara.wait_for_message(OPS, lambda message: "kept before a restore" in words(message), 20)
    say(f"  {len(set(_BACKUP.findall(words(listed))))} backups: hers, and what the restore replaced")


def alert(stage: Stage, say: Callable[[str], None]) -> None:
    """An alert fires, is acknowledged, and is over: one card. Raises WentWrong."""
    if stage.alertmanager is None:
        say("No Alertmanager on this machine: the alert is left out")
        return
    sara, url, started = stage.slack.person("U0SARA"), stage.alertmanager.url, datetime.now(UTC)
    labels = {"alertname": "SlowAnswers", "severity": "critical", "service": "shop"}
    say("Alertmanager says that the shop answers slowly")
    alerting.fire(url, labels, summary="95 of 100 answers take longer than 1.2 s", started=started)
    card = sara.wait_for_message(ALERTS, lambda message: "longer than 1.2 s" in words(message), 20)
    say(f"  #alerts: {first_line(card)}")
    say("Sara presses Acknowledge")
    sara.click(ALERTS, card["ts"], "alert_ack")
    sara.wait_for_message(ALERTS, lambda message: "Acknowledged by" in words(message), 20)
    alerting.fire(url, labels, over=True, started=started)
    # It is silenced now, so no webhook says that it is over: Alertmanager's own list does, in half a minute.
    card = sara.wait_for_message(ALERTS, lambda message: "SlowAnswers: over" in words(message), 60)
    say(f"  the same card, edited: {first_line(card)}")
    if sum("SlowAnswers" in words(each) for each in sara.messages(ALERTS)) != 1:
        raise WentWrong("one alert has more than one card")


def health(stage: Stage, say: Callable[[str], None]) -> None:
    """Everything at a glance: one card, which says what is wrong and what it could not see. Raises WentWrong."""
    sara = stage.slack.person("U0SARA")
    say("Sara types /health")
    sara.command(OPS, "/health")
    card = sara.wait_for_message(OPS, lambda message: has_button(message, "health_mongo"), 30)
    say(f"  its card says: {first_line(card)}")
    sara.click(OPS, card["ts"], "health_mongo")
    section = sara.wait_for_message(OPS, lambda message: "is the primary" in words(message), 30)
    say(f"  her press on mongo: {first_line(section)}")


def runbook(stage: Stage, say: Callable[[str], None]) -> None:
    """Three steps of the default runbook, each by its button; nothing has to be rolled back. Raises WentWrong."""
    sara = stage.slack.person("U0SARA")
    first = f"Health of the service: {'PASS' if stage.service is not None else 'UNKNOWN'}"
    say("Sara types /runbook quick-triage")
    sara.command(OPS, "/runbook quick-triage")
    for step, shown in ((1, first), (2, "State of MongoDB: PASS"), (3, "Network and DNS: PASS")):
        card = sara.wait_for_message(OPS, shows(f"step {step} of 5"), 30)
        sara.click(OPS, card["ts"], "step_run", block_id=block_of(card, "step_run"))
        card = sara.wait_for_message(OPS, shows(shown), 30)
        say(f"  step {step}: {next(line for line in words(card).splitlines() if shown in line)}")
    if stage.service is not None:
        card = sara.wait_for_message(OPS, shows("Quick triage: done"), 30)
        say("  all is well, so nothing has to be rolled back: the run is done")
        return
    card = sara.wait_for_message(OPS, shows("step 4 of 5"), 30)
    sara.click(OPS, card["ts"], "run_abort")
    sara.submit(sara.wait_for_view("form")["id"], {"note": {"field": "the demo breaks nothing"}})
    card = sara.wait_for_message(OPS, shows("Quick triage: ended"), 30)
    say(f"  she ends the run: {first_line(card)}")


def rotation(stage: Stage, say: Callable[[str], None]) -> None:
    """The key that signs sessions is replaced under a session that must survive it. Raises WentWrong."""
    if stage.service is None:
        say("No Node on this machine: the rotation is left out")
        return
    sara, session = stage.slack.person("U0SARA"), stage.service.log_in()
    say("Somebody is logged in to the shop. Sara types /rotate jwt")
    sara.command(OPS, "/rotate jwt")
    plan = sara.wait_for_message(OPS, lambda each: "Rotation of jwt" in words(each) and has_button(each, "confirm"), 20)
    say(f"  the plan: {first_line(plan)}")
    confirm(stage, plan["ts"], say)
    say(f"  its card says: {first_line(ended(sara, 'Rotation of jwt: '))}")
    if not stage.service.lets_in(session):
        raise WentWrong("the session did not survive the rotation")
    say("  the session from before still works, and new ones are signed with the new key")


def shows(part: str) -> Callable[[Any], bool]:
    """Whether a message has these words."""
    return lambda message: part in words(message)


def block_of(message: Any, action_id: str) -> str:
    """The block of the first button of that action: the current step's."""
    for block in message.get("blocks", []):
        if any(each.get("action_id") == action_id for each in block.get("elements", []) if isinstance(each, dict)):
            return str(block["block_id"])
    raise WentWrong(f"no button {action_id}: {words(message)}")


def confirm(stage: Stage, ts: str, say: Callable[[str], None], person: str = "U0SARA", channel: str = OPS) -> None:
    """Presses the card's button and types a wrong code, then the right one, into the modal."""
    who = stage.slack.person(person)
    who.click(channel, ts, "confirm")
    view = who.wait_for_view("totp", 20)
    who.submit(view["id"], {"code": {"code": "00000"}})
    view = who.wait_for_view("totp", 20)
    say(f"  a code of five digits is refused: {view.get('errors', {}).get('code', 'no reason given')}")
    # The two codes of the enrolment are spent; a newer one is needed.
    for _ in range(3):
        who.submit(view["id"], {"code": {"code": stage.fresh_code(person)}})
        open_views = [each for each in who.views() if each["callback_id"] == "totp"]
        if not open_views:
            say("  the code is accepted")
            return
        say(f"  {open_views[0].get('errors', {}).get('code', '')}")
    raise WentWrong("no code was accepted")


def ended(person: Any, title: str) -> Any:
    """The newest card with this in its title once its job has ended well. Raises WentWrong when it ended otherwise."""

    def over(message: Any) -> bool:
        text = words(message)
        return any(title + state in text for state in ("done", "failed", "interrupted", "cancelled"))

    card = person.wait_for_message(OPS, over, JOB_SECONDS)
    if title + "done" not in words(card):
        raise WentWrong(words(card))
    return card


def words(message: Any) -> str:
    """All words of a message, whatever block they are in."""
    found: list[str] = []

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if isinstance(node.get("text"), str):
                found.append(node["text"])
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(message)
    return "\n".join(found).replace("`", "").replace("*", "")


def first_line(message: Any) -> str:
    """What the message says in a notification."""
    return " ".join(str(message.get("text", "")).split())[:200]


def has_button(message: Any, action_id: str) -> bool:
    """Whether the message has this button now."""
    return any(
        element.get("action_id") == action_id
        for block in message.get("blocks", [])
        for element in block.get("elements", [])
        if isinstance(element, dict)
    )
