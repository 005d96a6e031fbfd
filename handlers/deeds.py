"""Steps that do something: command, backup, silence, rollback, wait, notify.

- Each goes through what a person would go through: a backup through the desk, a silence through Alertmanager.
- A rollback does exactly the changes that were confirmed, then looks whether the service is well again.
- What was begun and not seen to its end is INTERRUPTED or UNKNOWN, never a PASS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from handlers import looks
from handlers.core import matchers
from handlers.core.alertmanagers import Alertmanager
from handlers.core.answers import Actor
from handlers.core.attempts import Result, StepState
from handlers.core.errors import OutsideError, Refusal
from handlers.core.ports import Clock
from handlers.core.probes import Backups, Finished, Notices, Program
from handlers.core.programs import Allowed
from handlers.core.rollbacks import Change, Rollback
from handlers.core.runbooks import Step
from handlers.core.runs import Run
from handlers.core.text import Code, Seconds, Text
from handlers.looks import Arguments, Eyes, failed, passed, unknown

POLL_SECONDS = 2.0
COMMENT = "Silenced from a runbook"


@dataclass(frozen=True, slots=True)
class Hands:
    """What a deed goes through. None: not configured."""

    clock: Clock
    program: Program
    programs: Mapping[str, Allowed]
    backups: Backups | None = None
    alertmanager: Alertmanager | None = None
    notices: Notices | None = None
    rollback: Rollback | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt. `given`: filled arguments; `confirmed`: the plan's, for what a code confirmed; `check` raises when
    it must stop."""

    run: Run
    step: Step
    given: Arguments
    actor: Actor
    channel: str
    check: Callable[[], None]
    confirmed: Mapping[str, Any]

    def beats(self) -> Iterator[None]:
        """One check each."""
        while True:
            self.check()
            yield


def command(eyes: Eyes, hands: Hands, call: Call) -> Result:
    """An allowed program ends with 0."""
    allowed = hands.programs.get(call.given["program"])
    if allowed is None:
        raise Refusal(Text("The program {name} is not allowed here.", name=Code(call.given["program"])))
    if allowed.destroys and not call.step.confirm:
        raise Refusal(Text("{name} may only be run by a step with `confirm: totp`.", name=Code(call.given["program"])))
    given = {name: value for name, value in call.step.arguments.items() if name != "program"}
    ended = hands.program.run(allowed.filled(given, call.run.labels), call.step.seconds, call.beats())
    return _ended(ended, call.given["program"])


def _ended(ended: Finished, name: str) -> Result:
    if ended.code is None:
        return unknown(Text("{name} was stopped: it took too long.", name=Code(name)), output=ended.output)
    if ended.code:
        return failed(Text("{name} ended with {code}.", name=Code(name), code=ended.code), output=ended.output)
    return passed(Text("{name} ended well.", name=Code(name)), output=ended.output)


def backup(eyes: Eyes, hands: Hands, call: Call) -> Result:
    """A backup by the desk, followed to its end."""
    if hands.backups is None:
        return unknown(Text("No backups are configured."))
    job = hands.backups.begin(call.run.target, call.actor, call.channel)
    until = hands.clock.monotonic() + call.step.seconds
    while (ended := hands.backups.ended(job)) is None:
        if hands.clock.monotonic() > until:
            return unknown(Text("The backup {job} goes on; I stopped waiting.", job=Code(job)))
        call.check()
        hands.clock.sleep(POLL_SECONDS)
    well, text = ended
    return passed(text, ("Job", job)) if well else failed(text, ("Job", job))


def silence(eyes: Eyes, hands: Hands, call: Call) -> Result:
    """Alertmanager keeps quiet about exactly this run's alert for a while."""
    if hands.alertmanager is None:
        return unknown(Text("ALERTMANAGER_URL is not set."))
    if not call.run.labels:
        raise Refusal(Text("This run did not start from an alert, so there is nothing to silence."))
    until = hands.clock.now() + timedelta(minutes=int(call.given["minutes"]))
    comment = f"{COMMENT} ({call.run.runbook.name}, run {call.run.id})"
    made = hands.alertmanager.silence(matchers.of(call.run.labels), until, call.actor.person, comment)
    return passed(Text("Silenced until {until}.", until=until), ("Silence", made))


def rollback(eyes: Eyes, hands: Hands, call: Call) -> Result:
    """The confirmed changes, and health afterwards."""
    if hands.rollback is None:
        return unknown(Text("No way to roll back is configured: ROLLBACK_COMMAND is not set."))
    changes = tuple(Change(*each) for each in call.confirmed.get("changes", ()))
    now = hands.rollback.plan()
    if now != changes:
        raise Refusal(Text("What would be rolled back changed since it was confirmed. Nothing was done; plan it anew."))
    until = hands.clock.monotonic() + call.step.seconds
    ended = hands.rollback.run(changes, call.step.seconds, call.beats())
    facts = tuple((each.service, f"{each.before} → {each.after}") for each in changes)
    if ended.code is None:
        return unknown(Text("The rollback was stopped: it took too long. What runs now is not known."), *facts,
                       output=ended.output)  # fmt: skip
    if ended.code:
        return failed(Text("The rollback ended with {code}.", code=ended.code), *facts, output=ended.output)
    health = _health(eyes, hands, call, until)
    if health.state is StepState.PASSED:
        return passed(Text("{count} services went back. {health}", count=len(changes), health=health.text), *facts,
                      output=ended.output)  # fmt: skip
    text = Text("{count} services went back, but: {health}", count=len(changes), health=health.text)
    return Result(health.state, text, facts, ended.output)


def _health(eyes: Eyes, hands: Hands, call: Call, until: float) -> Result:
    """The service's health, asked for until it is well or the time is over."""
    while True:
        left = until - hands.clock.monotonic()
        try:
            found = looks.http(eyes, {}, max(1.0, min(5.0, left)))
        except OutsideError as error:
            found = unknown(error.text)
        if found.state is StepState.PASSED or left <= POLL_SECONDS or not eyes.health_url:
            return found
        call.check()
        hands.clock.sleep(POLL_SECONDS)


def wait(eyes: Eyes, hands: Hands, call: Call) -> Result:
    """Some time passes."""
    seconds = float(call.given["seconds"])
    until = hands.clock.monotonic() + seconds
    while (left := until - hands.clock.monotonic()) > 0:
        call.check()
        hands.clock.sleep(min(1.0, left))
    return passed(Text("Waited {time}.", time=Seconds(seconds)))


def notify(eyes: Eyes, hands: Hands, call: Call) -> Result:
    """A channel is told."""
    if hands.notices is None:
        return unknown(Text("There is nobody to tell."))
    channel = call.given.get("channel") or call.channel
    hands.notices.tell(channel, Text("{text}", text=call.given["text"]), call.run.target, call.actor)
    return passed(Text("Told {channel}.", channel=Code(channel)))


def planned(hands: Hands, step: Step) -> Sequence[Change]:
    """What a step would change, for the card that is confirmed. Raises Refusal or OutsideError."""
    if step.kind != "rollback":
        return ()
    if hands.rollback is None:
        raise Refusal(Text("No way to roll back is configured: ROLLBACK_COMMAND is not set."))
    changes = hands.rollback.plan()
    if not changes:
        raise Refusal(Text("Everything runs in the version that was well: there is nothing to roll back."))
    return changes
