"""/rotate: give a secret a new value without logging anybody out.

- `/rotate status` and `/rotate due` say how old each is; `/rotate NAME` makes a plan: the secret, its store, from which
  version, who uses it, what people will notice, how it is undone. `/rotate NAME now!` is for a secret that somebody
  else has seen: no overlap, and the plan says what breaks.
- `/rotate NAME retire` ends the old value when its time is over; `/rotate NAME rollback` goes back while that is
  possible. Each of them asks for a code. `/rotate NAME pause` lets a rotation rest; `continue` goes on, with a code.
  `/rotate NAME reencrypt` goes on with the data of an encryption key; it asks for none, since it ends nothing.
- How a rotation works, and what is true when it was interrupted: handlers/core/rotation/rotations.py.
"""

from __future__ import annotations

from collections.abc import Mapping

from handlers.core.door.policy import Permission
from handlers.core.door.work import Work
from handlers.core.rotation.drafts import Drafts
from handlers.core.rotation.itineraries import listed
from handlers.core.rotation.rotation_cards import buttons, checklist_card, help_card, offer, steps
from handlers.core.rotation.rotation_plans import (
    CONTINUE,
    PAUSE,
    REENCRYPT,
    RETIRE,
    ROLLBACK,
    ROTATE,
    RotationPlan,
    shown,
    version_id,
)
from handlers.core.rotation.rotations import Rotations
from handlers.core.rotation.secrets import Secret
from handlers.core.rotation.standings import REMIND, reminder_card, standing
from handlers.core.words.answers import Confirm, Invocation, Reply, Start
from handlers.core.words.cards import Button, Card, Fact, Tone
from handlers.core.words.digests import spoken
from handlers.core.words.errors import Refusal
from handlers.core.words.job_cards import Wording, job_card
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Code, Text

_WORST_FIRST = (Tone.BAD, Tone.UNKNOWN, Tone.WARNING)
_WORDS = {"retire": " retire", "paused": " continue"}
NOW_WORDS = frozenset({"now!", "emergency"})


class RotateHandler:
    """See the module."""

    permissions: Mapping[str, Permission] = {
        "read": Permission.READ,
        ROTATE: Permission.DESTROY,
        RETIRE: Permission.DESTROY,
        ROLLBACK: Permission.DESTROY,
        PAUSE: Permission.OPERATE,
        CONTINUE: Permission.DESTROY,
        REENCRYPT: Permission.OPERATE,
    }

    def __init__(self, rotations: Rotations) -> None:
        self._rotations = rotations
        self._estate = rotations.estate
        self._drafts = Drafts(rotations.estate)

    # -- words -------------------------------------------------------------------------------------------------

    def ask(self, invocation: Invocation) -> Reply | Start | Confirm:
        """See Handler."""
        match invocation.words:
            case ("help", *_):
                return Reply(help_card())
            case () | ("status",):
                return Reply(self._list(due_only=False))
            case ("due",):
                return Reply(self._list(due_only=True))
            case ("slack-tokens",):
                return Reply(checklist_card())
            case (name,):
                return Confirm(self._drafts.rotating(self._estate.secret(name), emergency=False))
            case (name, "retire"):
                return Confirm(self._drafts.retiring(self._estate.secret(name)))
            case (name, "rollback"):
                return Confirm(self._drafts.going_back(self._estate.secret(name)))
            case (name, "pause"):
                return Start(self._drafts.pausing(self._estate.secret(name)))
            case (name, "continue"):
                return Confirm(self._drafts.taking_up(self._estate.secret(name), CONTINUE))
            case (name, "reencrypt"):
                return Start(self._drafts.reencrypting(self._estate.secret(name)))
            case (name, word) if word in NOW_WORDS:
                return Confirm(self._drafts.rotating(self._estate.secret(name), emergency=True))
            case _:
                raise Refusal(Text("I did not understand that. `/rotate help` shows what can be asked."))

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
            PAUSE: Text("Pause of {secret}", secret=Code(plan.secret)),
            CONTINUE: Text("Rest of the rotation of {secret}", secret=Code(plan.secret)),
            REENCRYPT: Text("Re-encryption under the newest {secret}", secret=Code(plan.secret)),
        }[job.plan.operation]
        offered = job.state is JobState.OFFERED
        secret = self._estate.managed.secrets.get(plan.secret)
        facts = () if secret is None else self._facts(job, secret, plan)
        lines = self._lines(job, secret, plan)
        confirm = (Button("confirm", Text("Confirm with a code"), job.id, danger=True),)
        return job_card(job, Wording(subject, facts, lines, confirm if offered else buttons(job)))

    def _lines(self, job: Job, secret: Secret | None, plan: RotationPlan) -> tuple[Text, ...]:
        """What a plan does; how far the work is."""
        if secret is None:
            return ()
        if job.state is JobState.OFFERED:
            return offer(secret, plan, job.plan.operation, spoken(job.plan.digest))
        if job.progress is None or job.state is not JobState.RUNNING:
            return ()
        return listed(steps(self._estate, secret, plan), job.progress.stage)

    def _facts(self, job: Job, secret: Secret, plan: RotationPlan) -> tuple[Fact, ...]:
        users = ", ".join(use.name for use in secret.uses)
        state = "" if job.outcome is None else str(job.outcome.facts.get("state", ""))
        facts = [
            Fact(Text("Kind"), Text("{kind}", kind=secret.kind.value)),
            Fact(Text("Store"), Text("{store}", store=Code(f"{secret.store}:{secret.place}"))),
            Fact(Text("Used by"), Text("{users}", users=users or Text("nobody in the file"))),
        ]
        if plan.current:
            facts.insert(2, Fact(Text("From version"), Text("{version}", version=Code(shown(plan.current)))))
        if plan.phases and job.plan.operation in {ROTATE, RETIRE}:
            facts.insert(3, Fact(Text("To version"), Text("{version}", version=Code(shown(_made(job, plan))))))
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


def _made(job: Job, plan: RotationPlan) -> str:
    """The version that will be current in the end."""
    return version_id(job.id, plan.phases[-1])
