"""Pauses: a rotation rests before its next step because somebody asked it to, and another job takes it up again.

- Asking is no harder than cancelling; going on and going back change what people use, so each needs a code.
- It rests where nobody is locked out however long it does: while both values are accepted, or before anybody could see
  the new one. After that a secret with one value goes to its end. An emergency never rests.
- A re-encryption rests between two batches: both keys are there, and it begins again from the front. While it rests
  nothing is retired and nothing else is re-encrypted.
- Nothing is timed while it rests: the overlap begins when the rest of it is done. It is not a rotation that was done:
  its card, the list, the reminder and `/health` say that it rests.
- Whoever takes it up goes on in its journal, by its plan: the same versions, and only what is not there yet.
"""

from __future__ import annotations

from datetime import timedelta

from handlers.core.door.work import Work
from handlers.core.ports import ArtifactStore, Clock
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.recipes import named
from handlers.core.rotation.rotation_journals import PAUSED, RotationJournal
from handlers.core.rotation.rotation_plans import (
    CONTINUE,
    PAUSE,
    REENCRYPT,
    ROTATE,
    Past,
    RotationPlan,
    entry,
    shown,
    version_id,
)
from handlers.core.rotation.secrets import OWN, Secret
from handlers.core.words.answers import Draft, JobId, TargetName
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState, Outcome, text_from_json
from handlers.core.words.text import Code, Seconds, Text

LANE = "rotate-pause"


def may_rest(secret: Secret, job: Job, journal: RotationJournal) -> bool:
    """Whether a rotation may rest where it is. `job`: the one that began it."""
    if job.plan.operation != ROTATE or job.plan.arguments.get("emergency"):
        return False
    return named(secret) or secret.kind in OWN or not seen(journal)


def seen(journal: RotationJournal) -> bool:
    """Whether somebody may have seen a new value."""
    return any(each.what == "intent" and each.step.startswith("promote.") for each in journal.entries)


def resting(secret: str, overlap: timedelta, journal: RotationJournal) -> Outcome:
    """What the card of a paused rotation says."""
    entry = journal.paused
    step = Text("its next step") if entry is None else text_from_json(entry.facts["stage"])
    so = (
        Text("Both values are accepted for as long as it rests.")
        if seen(journal)
        else Text("Nobody has seen the new value; the old one is in use.")
    )
    text = Text(
        "It rests before this step: {step}. {so} Nothing is timed meanwhile: the overlap of {overlap} begins when the "
        "rest of it is done.",
        step=step,
        so=so,
        overlap=Seconds(overlap.total_seconds()),
    )
    return Outcome(JobState.PAUSED, text, {"state": PAUSED, "secret": secret, "of": journal.job})


def pausing(store: ArtifactStore, secret: Secret, history: Past) -> Draft:
    """What asking for a pause leads to. Raises Refusal."""
    if history.paused:
        raise Refusal(is_paused(secret))
    if not history.unfinished:
        raise Refusal(Text("No rotation of {secret} is at work.", secret=Code(secret.name)))
    journal = RotationJournal(store, secret.name, JobId(history.unfinished)).read()
    _pausable(secret, journal)
    plan = RotationPlan(secret.name, entry(secret), "", of=journal.job)
    return Draft(PAUSE, TargetName(secret.name), plan.arguments(), LANE)


def may_be_asked(job: Job) -> bool:
    """Whether its card shows the button while it runs; whether it is too late is said when it is pressed."""
    return job.plan.operation in {ROTATE, CONTINUE} and not job.plan.arguments.get("emergency")


def taking_up(estate: Estate, secret: Secret, paused: JobId) -> RotationPlan:
    """The plan of going on, or back. Raises Refusal when the secret is not what the rotation left."""
    journal = RotationJournal(estate.artifacts, secret.name, paused).read()
    begun = journal.begun()
    if begun is None or begun.plan.arguments["entry"] != entry(secret):
        raise Refusal(
            Text(
                "The entry of {secret} in SECRETS_CONFIG was changed while its rotation was paused. Put the entry back "
                "as it was, end the rotation, and change it then.",
                secret=Code(secret.name),
            )
        )
    plan = RotationPlan.of_arguments(begun.plan.arguments)
    current = estate.store(secret).look(secret.place).current_id
    made = [version_id(begun.id, phase) for phase in plan.phases]
    if current not in {plan.current, *made}:
        raise Refusal(
            Text(
                "Somebody changed {secret} by hand while its rotation was paused. Look who did, and put the version "
                "{version} back; then I can go on or back.",
                secret=Code(secret.name),
                version=Code(shown(plan.current)),
            )
        )
    left = tuple(phase for phase in plan.phases if journal.last("done", f"prove.{phase}") is None)
    return RotationPlan(secret.name, entry(secret), current, left, of=paused, resumes=True)


def taken_up(plan: RotationPlan) -> tuple[Text, ...]:
    """What the plan of going on says."""
    job = Code(plan.of)
    if not plan.phases:
        return (Text("Every consumer works with what job {job} made. What is left is the re-encryption.", job=job),)
    return (Text("It goes on with what job {job} began: {phases}.", job=job, phases=", ".join(plan.phases)),)


def ask(work: Work, store: ArtifactStore, secret: Secret, clock: Clock) -> Outcome:
    """Leaves the mark. Raises Refusal when there is nothing to pause any more."""
    plan = RotationPlan.of_arguments(work.job.plan.arguments)
    journal = RotationJournal(store, secret.name, JobId(plan.of)).read()
    _pausable(secret, journal)
    work.record("rotate.pause", secret=secret.name, of=plan.of)
    journal.ask_pause(clock.now())
    text = Text("{secret} stops before its next step; the card of its rotation says so.", secret=Code(secret.name))
    return Outcome(JobState.DONE, text, {"secret": secret.name})


def asked(journal: RotationJournal, state: JobState, why: Text) -> Outcome:
    """What became of asking, when nobody can say it any more."""
    if journal.paused is not None or journal.pause_asked():
        return Outcome(JobState.DONE, Text("{why} The pause was asked for before that.", why=why), {})
    return Outcome(state, Text("{why} Nothing was paused.", why=why), {})


def is_paused(secret: Secret) -> Text:
    """For whoever asks for something else."""
    return Text(
        "A rotation of {secret} is paused. `/rotate {secret} continue` goes on with it, `/rotate {secret} rollback` "
        "goes back.",
        secret=secret.name,
    )


def _pausable(secret: Secret, journal: RotationJournal) -> None:
    begun = journal.begun()
    if begun is None or journal.end is not None:
        raise Refusal(Text("The rotation of {secret} has ended. Nothing is paused.", secret=Code(secret.name)))
    if journal.paused is not None:
        raise Refusal(is_paused(secret))
    if begun.plan.operation == REENCRYPT:
        raise Refusal(
            Text(
                "This re-encryption is a job of its own, and ends nothing: cancel it on its card. `/rotate {secret} "
                "reencrypt` goes on with it.",
                secret=secret.name,
            )
        )
    if begun.plan.operation != ROTATE or begun.plan.arguments.get("emergency") or journal.returning:
        raise Refusal(
            Text("Only a rotation with an overlap can be paused. This goes to its end, which takes a few minutes.")
        )
    if not may_rest(secret, begun, journal):
        raise Refusal(
            Text(
                "It is too late to pause: programs are reading the new value of {secret}, and only one value works. It "
                "goes to its end, or back by itself.",
                secret=Code(secret.name),
            )
        )
