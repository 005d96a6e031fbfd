"""Steps that do something: command, backup, silence, rollback, wait, notify.

- Each goes through what a person would go through: a backup through the desk, a silence through Alertmanager.
- A rollback does exactly the changes that were confirmed (handlers/core/runbooks/rollbacks.py).
- What was begun and not seen to its end is INTERRUPTED or UNKNOWN, never a PASS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from handlers.core.alerts import matchers
from handlers.core.alerts.alertmanagers import Alertmanager
from handlers.core.ports import Clock
from handlers.core.runbooks.attempts import Result
from handlers.core.runbooks.deployments import Change
from handlers.core.runbooks.probes import Backups, Finished, Notices, Program
from handlers.core.runbooks.programs import Allowed
from handlers.core.runbooks.rollbacks import Rollbacks
from handlers.core.runbooks.runbooks import Step
from handlers.core.runbooks.runs import Run
from handlers.core.words.answers import Actor
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Seconds, Text
from handlers.looks import Arguments, Eyes, failed, passed, unknown

POLL_SECONDS = 2.0
COMMENT = "Silenced from a runbook"
NO_WAY_BACK = Text("No way to roll back is configured: see ROLLBACK_BY.")


@dataclass(frozen=True, slots=True)
class Hands:
    """What a deed goes through. None: not configured."""

    clock: Clock
    program: Program
    programs: Mapping[str, Allowed]
    backups: Backups | None = None
    alertmanager: Alertmanager | None = None
    notices: Notices | None = None
    rollbacks: Rollbacks | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt. `given`: filled arguments; `job`: whose plan is what a code confirmed; `check` raises when it must
    stop."""

    run: Run
    step: Step
    given: Arguments
    actor: Actor
    channel: str
    check: Callable[[], None]
    job: Job

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
    if hands.rollbacks is None:
        return unknown(NO_WAY_BACK)
    return hands.rollbacks.run(call.job, float(call.step.seconds), call.check)


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
    if hands.rollbacks is None:
        raise Refusal(NO_WAY_BACK)
    return hands.rollbacks.plan()
