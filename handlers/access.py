"""Access: people's second factors, in Slack. Set one up, let somebody's in, unlock one.

- *Set up my second factor* (the bot's Home tab) shows the presser alone a link and a binding code: see
  handlers/core/door/enrolments.py. There is no command for it: what is typed in a channel is seen there.
- A factor that waits is let in by somebody else, as a job with a plan and their own code: with a policy, by whom a rule
  lets destroy with the command `access`. The plan names the factor by its fingerprint, so no other one gets in.
- One that replaces another confirms nothing for 24 hours. A factor is unlocked in the same way, never by its owner.
- *Deny…* on a card ends what the presser was asked to agree to, with their reason (handlers/core/door/denials.py).
- *Emergency: go on alone* on a card breaks the glass (handlers/core/door/glass.py); *I have looked at it* ends the task
  that follows.
- Cards of what was told (handlers/core/door/tellings.py) are drawn here.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from handlers.core.door.approval import WORKSPACE, Gate
from handlers.core.door.denials import MOST as LONGEST
from handlers.core.door.denials import Denials
from handlers.core.door.enrolments import LINK_SECONDS, Enrolments
from handlers.core.door.glass import MOST, REVIEW, Glass
from handlers.core.door.policy import Permission
from handlers.core.door.rules import RuleBook
from handlers.core.door.seeds import Candidate, Seeds
from handlers.core.door.tellings import TOLD, Telling, Told
from handlers.core.door.work import Work
from handlers.core.ports import Clock
from handlers.core.words.answers import Confirm, Draft, Invocation, JobId, PersonId, Press, Reply, TargetName
from handlers.core.words.cards import Button, Card, Fact, Link, Tone
from handlers.core.words.digests import spoken
from handlers.core.words.errors import Refusal
from handlers.core.words.forms import Form, Words
from handlers.core.words.job_cards import Wording, job_card
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Code, Person, Seconds, Text

ADMIT, UNLOCK = "access.admit", "access.unlock"
LANE = "access"
COOLING = timedelta(hours=24)
WAITS = timedelta(hours=24)
"""How long a factor waits to be let in."""
_LABELS = {
    "access_admit": Text("Let it in"),
    "access_unlock": Text("Unlock it"),
    "access_reviewed": Text("I have looked at it"),
}


class AccessHandler:
    """See the module. `address`: where browsers reach the bot's pages; empty: they do not."""

    permissions: Mapping[str, Permission] = {
        "read": Permission.READ,
        ADMIT: Permission.DESTROY,
        UNLOCK: Permission.DESTROY,
    }
    presses: Mapping[str, Permission] = {
        "access_enrol": Permission.READ,
        "access_admit": Permission.READ,
        "access_unlock": Permission.READ,
        "access_deny": Permission.READ,
        "access_denied": Permission.READ,
        "access_glass": Permission.READ,
        "access_break": Permission.READ,
        "access_reviewed": Permission.READ,
    }
    asking = frozenset({"access_enrol", "access_deny", "access_glass"})

    def __init__(
        self,
        enrolments: Enrolments,
        seeds: Seeds,
        gate: Gate,
        rules: RuleBook,
        clock: Clock,
        telling: Telling,
        glass: Glass,
        denials: Denials,
        address: str,
    ) -> None:
        self._enrolments = enrolments
        self._seeds = seeds
        self._gate = gate
        self._rules = rules
        self._clock = clock
        self._telling = telling
        self._glass = glass
        self._denials = denials
        self._address = address.rstrip("/")

    # -- pressing ----------------------------------------------------------------------------------------------

    def ask(self, invocation: Invocation) -> Reply:
        """See Handler: nothing is typed."""
        raise Refusal(Text("Second factors are set up on the bot's Home tab."))

    def press(self, press: Press) -> Card | Form | Confirm | None:
        """See Pressable."""
        match press.action:
            case "access_deny":
                return _why_not(self._denials.offer(JobId(press.value), press.actor))
            case "access_denied":
                self._denials.deny(JobId(press.value), press.actor, press.fields.get("reason", ""))
                return None
            case "access_glass":
                return _why(self._glass.offer(JobId(press.value), press.actor))
            case "access_break":
                self._glass.break_(JobId(press.value), press.actor, press.fields.get("reason", ""))
                return Card(Text("Now press *Confirm with a code* on the card: your code confirms the reason too."))
            case "access_reviewed":
                self._glass.reviewed(JobId(press.value), press.actor)
                return None
            case "access_enrol":
                return self._invited(press)
            case "access_admit":
                person, _, enrolment = press.value.partition(".")
                self._other(press.actor.person, PersonId(person))
                return Confirm(self._admitting(PersonId(person), enrolment))
            case _:
                self._other(press.actor.person, PersonId(press.value))
                return Confirm(Draft(UNLOCK, TargetName(press.value), {"person": press.value}, LANE))

    def _invited(self, press: Press) -> Card:
        if not self._address:
            raise Refusal(
                Text(
                    "There is no page for this here. Ask whoever runs the bot to type `python -m bot enroll {person}` "
                    "on its host.",
                    person=press.actor.person,
                )
            )
        invitation = self._enrolments.invite(press.actor)
        proof = (
            Text("You have one already: the page asks for a code of it, or for a recovery code."),
            Text("The new one confirms nothing for 24 hours after somebody let it in."),
        )
        return Card(
            Text("Set up your second factor"),
            lines=(
                Text("Open the page on this computer within {time}; it can be used once.", time=Seconds(LINK_SECONDS)),
                Text("It asks for the binding code below. Give it to nobody, and type it nowhere else."),
                *(proof if invitation.renews else ()),
            ),
            facts=(Fact(Text("Binding code"), Text("{code}", code=Code(invitation.binding))),),
            links=(Link(Text("Open the page"), f"{self._address}/enrol/{invitation.token}", own=True),),
            footer=Text("Whatever is shown on the page, Slack never sees."),
        )

    def _admitting(self, person: PersonId, enrolment: str) -> Draft:
        candidate = self._waiting(person, enrolment)
        return Draft(
            ADMIT,
            TargetName(person),
            {
                "person": person,
                "enrolment": enrolment,
                "fingerprint": candidate.fingerprint,
                "renews": candidate.renews,
                "proof": candidate.proof,
            },
            LANE,
        )

    def _waiting(self, person: PersonId, enrolment: str) -> Candidate:
        candidate = self._seeds.candidate(person, WORKSPACE, enrolment)
        if candidate is None or candidate.taken:
            raise Refusal(Text("No second factor waits there any more."))
        if self._clock.now() - candidate.created > WAITS:
            raise Refusal(Text("This waited longer than a day. Ask {person} to set it up anew.", person=Person(person)))
        return candidate

    def _other(self, asker: PersonId, person: PersonId) -> None:
        """Raises Refusal when they are one human being."""
        rules = self._rules.current()
        human = rules.human(person)
        if asker == person or (human is not None and rules.human(asker) == human):
            raise Refusal(Text("Somebody else must do this, not you for yourself."))

    # -- cards -------------------------------------------------------------------------------------------------

    def describe(self, job: Job) -> Card:
        """See Handler."""
        if job.plan.operation in {TOLD, REVIEW}:
            return _told_card(job)
        person = Person(str(job.plan.arguments["person"]))
        offered = job.state is JobState.OFFERED
        words = Text("To compare by voice: {words}", words=Code(spoken(job.plan.digest)))
        confirm = (Button("confirm", Text("Confirm with a code"), job.id, danger=True),)
        buttons, lines = (confirm, (words,)) if offered else ((), ())
        if job.plan.operation == UNLOCK:
            subject = Text("Unlocking of {person}'s second factor", person=person)
            asks = Text("Ask {person} first, not in Slack, whether it was them.", person=person)
            return job_card(job, Wording(subject, lines=(asks, *lines) if offered else (), buttons=buttons))
        subject = Text("Second factor of {person}", person=person)
        asks = Text("Ask {person} first, not in Slack, whether they set it up. Who confirms vouches.", person=person)
        facts = (
            Fact(Text("Kind"), _kind(job)),
            Fact(Text("Fingerprint"), Text("{print}", print=Code(str(job.plan.arguments["fingerprint"])[:16]))),
        )
        return job_card(job, Wording(subject, facts, (asks, *lines) if offered else (), buttons))

    # -- work --------------------------------------------------------------------------------------------------

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        plan = work.job.plan
        person = PersonId(str(plan.arguments["person"]))
        self._other(plan.actor.person, person)
        if plan.operation == UNLOCK:
            work.record("factor.unlocking", person=person)
            if not self._gate.unlock(person):
                raise Refusal(Text("The second factor of {person} is not locked.", person=Person(person)))
            return self._unlocked(work.job)
        candidate = self._waiting(person, str(plan.arguments["enrolment"]))
        if (candidate.fingerprint, candidate.renews, candidate.proof) != (
            plan.arguments["fingerprint"],
            plan.arguments["renews"],
            plan.arguments["proof"],
        ):
            raise Refusal(Text("This is not the second factor that was approved. Nothing was changed."))
        until = int((self._clock.now() + COOLING).timestamp()) if candidate.renews else 0
        work.record("factor.admitting", person=person, fingerprint=candidate.fingerprint, cooling_until=until)
        self._seeds.admit(candidate, WORKSPACE, until)
        return self._admitted(work.job)

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler."""
        person = PersonId(str(job.plan.arguments["person"]))
        if job.plan.operation == ADMIT and self._seeds.admitted(
            person, WORKSPACE, str(job.plan.arguments["enrolment"])
        ):
            return self._admitted(job)
        why = reason or Text("It was interrupted. Press the button again.")
        return Outcome(JobState.INTERRUPTED if reason is None else JobState.FAILED, why, {})

    def lost(self) -> tuple[Job, ...]:
        """See Handler: what was lost is done anew."""
        return ()

    def _admitted(self, job: Job) -> Outcome:
        arguments, by = job.plan.arguments, Person(job.plan.actor.person)
        person = Person(str(arguments["person"]))
        rest = Text("It confirms nothing for 24 hours.") if arguments["renews"] else Text("It counts from now on.")
        self._telling.tell(
            Told(
                "admitted",
                PersonId(person.id),
                Text(
                    "{by} let your second factor in. {rest} Was it not yours? Tell an administrator.", by=by, rest=rest
                ),
                Text("{by} let the second factor of {person} in. {rest}", by=by, person=person, rest=rest),
            )
        )
        return Outcome(JobState.DONE, rest, {})

    def _unlocked(self, job: Job) -> Outcome:
        by, person = Person(job.plan.actor.person), Person(str(job.plan.arguments["person"]))
        self._telling.tell(
            Told(
                "unlocked",
                PersonId(person.id),
                Text("{by} unlocked your second factor. Wait for the next code.", by=by),
                Text("{by} unlocked the second factor of {person}.", by=by, person=person),
            )
        )
        return Outcome(JobState.DONE, Text("It counts again, from the next code on."), {})


def _kind(job: Job) -> Text:
    if not job.plan.arguments["renews"]:
        return Text("The first one")
    if job.plan.arguments["proof"] == "recovery":
        return Text("In the place of another, proved by a recovery code")
    return Text("In the place of another, proved by a code of that one")


def _told_card(job: Job) -> Card:
    if job.outcome is None:
        return Card(Text("Nothing is known of this."))
    action, value = (str(job.outcome.facts.get(name, "")) for name in ("action", "value"))
    if "over" in job.outcome.facts:
        return Card(Text("The glass was broken, and looked at"), Tone.GOOD, (job.outcome.text,))
    buttons = (Button(action, _LABELS[action], value),) if action in _LABELS else ()
    return Card(job.outcome.text, Tone.WARNING, buttons=buttons)


def _why_not(job: Job) -> Form:
    return Form(
        "access_denied",
        job.id,
        Text("Deny it"),
        (Text("It ends here. Your reason stays on the card and in the audit record."),),
        (Words("reason", Text("Why not?"), lines=True, most=LONGEST),),
        Text("Deny it"),
    )


def _why(job: Job) -> Form:
    return Form(
        "access_break",
        job.id,
        Text("Go on alone"),
        (
            Text("This is for an emergency. The audit channel is told at once, and somebody else must look at it."),
            Text("Your reason stays on the card and in the audit record."),
        ),
        (Words("reason", Text("Why can it not wait for somebody else?"), lines=True, most=MOST),),
        Text("Go on"),
    )
