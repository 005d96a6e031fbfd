"""What cards about a rotation say: what a plan does, the buttons of a job, the help.

- Where a person is asked for and both values are kept, both ways are buttons.
- A plan says what people will notice, how often commands run, what breaks, and how it is undone.
"""

from __future__ import annotations

from handlers.core.rotation import pauses
from handlers.core.rotation.data_keys import guards_data
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.issuers import Nobody
from handlers.core.rotation.itineraries import itinerary
from handlers.core.rotation.recipes import ringed
from handlers.core.rotation.rotation_plans import CONTINUE, DROP, RETIRE, ROTATE, RotationPlan
from handlers.core.rotation.secrets import Kind, Secret
from handlers.core.words.cards import Button, Card
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Code, Seconds, Text


def offer(secret: Secret, plan: RotationPlan, operation: str, words: str) -> tuple[Text, ...]:
    """What a plan says before it is confirmed."""
    lines = [Text("{notice}", notice=secret.notice)] if secret.notice else []
    commands = [use.roll_out for use in secret.uses if use.roll_out]
    rounds = len(plan.phases) if operation in {RETIRE, CONTINUE} else max(1, len(plan.phases))
    if commands and rounds:
        lines += [Text("Runs {count} times: {line}", count=rounds, line=Code(line)) for line in commands]
    match operation:
        case "rotate.rotate" if plan.emergency:
            lines.append(_breaks(secret))
        case "rotate.rotate" if secret.single_value and secret.kind is Kind.JWT:
            lines.append(
                Text("Everybody is logged out: the program knows one value at a time. The entry accepts that.")
            )
        case "rotate.rotate" if guards_data(secret):
            lines.append(
                Text(
                    "Nothing becomes unreadable: first all replicas read both keys, then the new one is written under, "
                    "then everything is re-encrypted while people work. The old key stays as long as a backup needs it."
                )
            )
        case "rotate.rotate" if ringed(secret):
            lines.append(Text("Nobody is logged out: first all replicas accept both keys, then the new one signs."))
        case "rotate.continue":
            lines += pauses.taken_up(plan)
        case "rotate.rollback" if plan.resumes:
            lines += [Text("What it has done is undone, as far as nobody is logged out by that.")]
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


def steps(estate: Estate, secret: Secret, plan: RotationPlan) -> tuple[Text, ...]:
    """All steps of the work, in their order."""
    consumers = tuple(estate.consumers.get(secret.name, {}))
    issued = not isinstance(estate.issuer(secret), Nobody)
    data = guards_data(secret) and DROP not in plan.phases
    return itinerary(plan.phases, consumers, issued=issued, data=data)


def buttons(job: Job) -> tuple[Button, ...]:
    """What can be done next."""
    state = "" if job.outcome is None else str(job.outcome.facts.get("state", ""))
    if job.state is JobState.RUNNING and pauses.may_be_asked(job):
        return (Button("rotate_pick", Text("Pause"), f"{job.target} pause"),)
    if job.state is JobState.PAUSED and state:
        return (
            Button("rotate_pick", Text("Continue"), f"{job.target} continue", primary=True),
            Button("rotate_pick", Text("Roll back"), f"{job.target} rollback", danger=True),
        )
    if job.outcome is None or not (state == "soaking" or (state == "needs" and "back" in job.outcome.facts)):
        return ()
    name = str(job.outcome.facts["secret"])
    rest = (Button("rotate_pick", Text("Re-encrypt the rest"), f"{name} reencrypt"),)
    return (
        *(rest if job.outcome.facts.get("left") else ()),
        Button("rotate_pick", Text("Retire the old one"), f"{name} retire"),
        Button("rotate_pick", Text("Roll back"), f"{name} rollback", danger=True),
    )


def help_card() -> Card:
    """What can be typed."""
    return Card(
        title=Text("/rotate"),
        lines=(
            Text("`/rotate status` lists the managed secrets and their age; `/rotate due` those that need a look."),
            Text("`/rotate NAME` shows the plan for a new value. Nothing happens before a code."),
            Text("`/rotate NAME retire` ends the old value when its time is over; `/rotate NAME rollback` goes back."),
            Text(
                "`/rotate NAME now!` is for a secret that somebody has seen: no overlap, and the plan says what breaks."
            ),
            Text("`/rotate NAME pause` lets a rotation rest before its next step; `/rotate NAME continue` goes on."),
            Text("`/rotate NAME reencrypt` goes on bringing data under the newest key."),
            Text("`/rotate slack-tokens` begins a checklist for the tokens that only people can make."),
            Text("I never show a value: only versions."),
        ),
    )


def checklist_card() -> Card:
    """Slack's tokens, which only people can make."""
    return Card(
        Text("New tokens of Slack"),
        lines=(
            Text("Slack gives its tokens out by hand, so this is a checklist; I look whether the new one works."),
            Text("Never type a token into Slack: it goes into a file on the bot's host."),
        ),
        buttons=(Button("runbook_pick", Text("Begin the checklist"), "slack-tokens"),),
    )
