"""/rotate: give a secret a new value without logging anybody out.

- `/rotate status` and `/rotate due` say how old each is; `/rotate NAME` makes a plan: the secret, its store, from which
  version, who uses it, what people will notice, how it is undone. `/rotate NAME now!` is for a secret that somebody
  else has seen: no overlap, and the plan says what breaks.
- `/rotate NAME retire` ends the old value when its time is over; `/rotate NAME rollback` goes back while that is
  possible. Each of them asks for a code.
- How a rotation works, and what is true when it was interrupted: handlers/core/rotations.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from handlers.core.answers import Confirm, Draft, Invocation, Reply, TargetName
from handlers.core.cards import Button, Card, Fact, Tone
from handlers.core.digests import spoken
from handlers.core.errors import Refusal
from handlers.core.job_cards import Wording, job_card
from handlers.core.jobs import Job, JobState, Outcome
from handlers.core.key_rings import KeyRing
from handlers.core.policy import Permission
from handlers.core.recipes import ringed
from handlers.core.rotation_plans import DROP, RotationPlan, entry, past, phases, shown
from handlers.core.rotations import Rotations
from handlers.core.secrets import Kind, Secret
from handlers.core.standings import REMIND, reminder_card, standing
from handlers.core.text import Code, Seconds, Text
from handlers.core.turns import RETIRE, ROLLBACK, ROTATE
from handlers.core.work import Work

LANE = "rotate"
_WORST_FIRST = (Tone.BAD, Tone.UNKNOWN, Tone.WARNING)
_WORDS = {"retire": " retire"}
NOW_WORDS = frozenset({"now!", "emergency"})


class RotateHandler:
    """See the module."""

    permissions: Mapping[str, Permission] = {
        "read": Permission.READ,
        ROTATE: Permission.DESTROY,
        RETIRE: Permission.DESTROY,
        ROLLBACK: Permission.DESTROY,
    }

    def __init__(self, rotations: Rotations) -> None:
        self._rotations = rotations
        self._estate = rotations.estate

    # -- words -------------------------------------------------------------------------------------------------

    def ask(self, invocation: Invocation) -> Reply | Confirm:
        """See Handler."""
        match invocation.words:
            case ("help", *_):
                return Reply(_help())
            case () | ("status",):
                return Reply(self._list(due_only=False))
            case ("due",):
                return Reply(self._list(due_only=True))
            case (name,):
                return Confirm(self._rotating(self._estate.secret(name), emergency=False))
            case (name, "retire"):
                return Confirm(self._retiring(self._estate.secret(name)))
            case (name, "rollback"):
                return Confirm(self._going_back(self._estate.secret(name)))
            case (name, word) if word in NOW_WORDS:
                return Confirm(self._rotating(self._estate.secret(name), emergency=True))
            case _:
                raise Refusal(Text("I did not understand that. `/rotate help` shows what can be asked."))

    def _rotating(self, secret: Secret, *, emergency: bool) -> Draft:
        history = past(self._estate.artifacts, secret.name)
        current = self._current(secret)
        if history.soaking is not None and not emergency:
            raise Refusal(
                Text(
                    "The last rotation of {secret} still keeps the old value, until {until}. Then `/rotate {secret} "
                    "retire`, or go back with `/rotate {secret} rollback`.",
                    secret=secret.name,
                    until=history.soaking.until,
                )
            )
        if history.unfinished:
            raise Refusal(
                Text(
                    "A rotation of {secret} is at work: job {job}.",
                    secret=Code(secret.name),
                    job=Code(history.unfinished),
                )
            )
        if secret.single_value and not (secret.accept_logout or emergency):
            raise Refusal(
                Text(
                    "The program that uses {secret} knows one value at a time: everybody would be logged out. Let it "
                    "read a key ring (docs/rotation.md), or write `accept_logout: true` into its entry.",
                    secret=Code(secret.name),
                )
            )
        if ringed(secret) and not emergency:
            KeyRing.read(self._estate.store(secret).value(secret.place, current))
        removes = () if not emergency else (*(history.soaking.kept if history.soaking else ()), current)
        plan = RotationPlan(
            secret.name, entry(secret), current, phases(secret, emergency=emergency), removes, emergency=emergency
        )
        return Draft(ROTATE, TargetName(secret.name), plan.arguments(), LANE)

    def _retiring(self, secret: Secret) -> Draft:
        soaking = past(self._estate.artifacts, secret.name).soaking
        if soaking is None:
            raise Refusal(Text("{secret} has no old value that waits to be retired.", secret=Code(secret.name)))
        if self._estate.clock.now() < soaking.until:
            raise Refusal(
                Text(
                    "Tokens of the old value live until {until}; retiring it now would log people out. If somebody "
                    "has seen it, use `/rotate {secret} now!`.",
                    until=soaking.until,
                    secret=secret.name,
                )
            )
        drop, removes = ((DROP,), (*soaking.kept, soaking.now)) if ringed(secret) else ((), soaking.kept)
        plan = RotationPlan(secret.name, entry(secret), self._current(secret), drop, removes, soaking.of)
        return Draft(RETIRE, TargetName(secret.name), plan.arguments(), LANE)

    def _going_back(self, secret: Secret) -> Draft:
        soaking = past(self._estate.artifacts, secret.name).soaking
        current = self._current(secret)
        if soaking is None or soaking.now != current:
            raise Refusal(Text("{secret} has no rotation that can be rolled back.", secret=Code(secret.name)))
        plan = RotationPlan(secret.name, entry(secret), current, removes=soaking.kept, of=soaking.of, to=soaking.back)
        return Draft(ROLLBACK, TargetName(secret.name), plan.arguments(), LANE)

    def _current(self, secret: Secret) -> str:
        found = self._estate.store(secret).look(secret.place)
        if found.current is None:
            raise Refusal(
                Text("{secret} has no value yet. Put a first one into the store by hand.", secret=Code(secret.name))
            )
        if found.pending is not None:
            raise Refusal(
                Text(
                    "{secret} has another new version waiting, {version}, which is not of a rotation that is at work. "
                    "Look who put it there, and remove it.",
                    secret=Code(secret.name),
                    version=Code(shown(found.pending.id)),
                )
            )
        return found.current.id

    # -- cards -------------------------------------------------------------------------------------------------

    def describe(self, job: Job) -> Card:
        """See Handler."""
        if job.plan.operation == REMIND:
            return reminder_card(job)
        plan = RotationPlan.of_arguments(job.plan.arguments)
        subject = {
            ROTATE: Text("Rotation of {secret}", secret=Code(plan.secret)),
            RETIRE: Text("Retirement of the old {secret}", secret=Code(plan.secret)),
            ROLLBACK: Text("Return to the former {secret}", secret=Code(plan.secret)),
        }[job.plan.operation]
        offered = job.state is JobState.OFFERED
        secret = self._estate.managed.secrets.get(plan.secret)
        facts = () if secret is None else self._facts(job, secret, plan)
        lines = (
            () if secret is None or not offered else _offer(secret, plan, job.plan.operation, spoken(job.plan.digest))
        )
        confirm = (Button("confirm", Text("Confirm with a code"), job.id, danger=True),)
        return job_card(job, Wording(subject, facts, lines, confirm if offered else _next(job)))

    def _facts(self, job: Job, secret: Secret, plan: RotationPlan) -> tuple[Fact, ...]:
        users = ", ".join(use.name for use in secret.uses)
        state = "" if job.outcome is None else str(job.outcome.facts.get("state", ""))
        facts = [
            Fact(Text("Kind"), Text("{kind}", kind=secret.kind.value)),
            Fact(Text("Store"), Text("{store}", store=Code(f"{secret.store}:{secret.place}"))),
            Fact(Text("From version"), Text("{version}", version=Code(shown(plan.current)))),
            Fact(Text("Used by"), Text("{users}", users=users or "nobody in the file")),
        ]
        if plan.to:
            facts.append(Fact(Text("Back to"), Text("{version}", version=Code(shown(plan.to)))))
        if state == "needs":
            facts.append(Fact(Text("State"), Text("Needs a person")))
        return tuple(facts)

    def _list(self, *, due_only: bool) -> Card:
        if not self._estate.managed.secrets:
            return Card(Text("No secrets are managed: SECRETS_CONFIG names none."), Tone.UNKNOWN)
        found = [standing(self._estate, secret) for secret in self._estate.managed.secrets.values()]
        wanted = [each for each in found if each.stage]
        lines = tuple(each.text for each in (wanted if due_only else found))
        title = Text("{count} secrets need a look", count=len(wanted)) if wanted else Text("No secret is due")
        worst = next((tone for tone in _WORST_FIRST if any(each.tone is tone for each in wanted)), Tone.GOOD)
        buttons = tuple(
            Button("rotate_pick", Text("{name}", name=Code(each.secret)), each.secret + _WORDS.get(each.stage, ""))
            for each in wanted[:5]
        )
        return Card(title, worst, lines, buttons=buttons)

    # -- work --------------------------------------------------------------------------------------------------

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        return self._rotations.run(work)

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler."""
        return self._rotations.recover(job, reason)

    def lost(self) -> tuple[Job, ...]:
        """See Handler."""
        return self._rotations.lost()


def _offer(secret: Secret, plan: RotationPlan, operation: str, words: str) -> tuple[Text, ...]:
    lines = [Text("{notice}", notice=secret.notice)] if secret.notice else []
    commands = [use.roll_out for use in secret.uses if use.roll_out]
    rounds = max(1, len(plan.phases)) if operation != RETIRE or plan.phases else 0
    if commands and rounds:
        lines += [Text("Runs {count} times: {line}", count=rounds, line=Code(line)) for line in commands]
    match operation:
        case "rotate.rotate" if plan.emergency:
            lines.append(_breaks(secret))
        case "rotate.rotate" if secret.single_value and secret.kind is Kind.JWT:
            lines.append(
                Text("Everybody is logged out: the program knows one value at a time. The entry accepts that.")
            )
        case "rotate.rotate" if ringed(secret):
            lines.append(Text("Nobody is logged out: first all replicas accept both keys, then the new one signs."))
        case "rotate.retire":
            lines.append(Text("What still uses the old value is refused from then on. This cannot be undone."))
        case _:
            pass
    if operation == ROTATE and not plan.emergency:
        span = Seconds(secret.overlap.total_seconds())
        lines.append(
            Text("A proof that fails undoes it; afterwards Roll back undoes it for {span} or longer.", span=span)
        )
    return (*lines, Text("To compare by voice: {words}", words=Code(words)))


def _breaks(secret: Secret) -> Text:
    if secret.kind is Kind.JWT:
        return Text("Emergency: the old key is refused at once. Everybody is logged out and must log in again.")
    return Text(
        "Emergency: the old value is destroyed at once. What still uses it fails until it has read the new one."
    )


def _next(job: Job) -> tuple[Button, ...]:
    if job.outcome is None or job.outcome.facts.get("state") != "soaking":
        return ()
    name = str(job.outcome.facts["secret"])
    return (
        Button("rotate_pick", Text("Retire the old one"), f"{name} retire"),
        Button("rotate_pick", Text("Roll back"), f"{name} rollback", danger=True),
    )


def _help() -> Card:
    return Card(
        title=Text("/rotate"),
        lines=(
            Text("`/rotate status` lists the managed secrets and their age; `/rotate due` those that need a look."),
            Text("`/rotate NAME` shows the plan for a new value. Nothing happens before a code."),
            Text("`/rotate NAME retire` ends the old value when its time is over; `/rotate NAME rollback` goes back."),
            Text(
                "`/rotate NAME now!` is for a secret that somebody has seen: no overlap, and the plan says what breaks."
            ),
            Text("I never show a value: only versions."),
        ),
    )
