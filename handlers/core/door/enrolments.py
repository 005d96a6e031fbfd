"""Enrolment: how a person comes to a second factor without anybody at the host.

    invited ──binding code──► bound ──old code or recovery code──► shown ──two codes──► done
       │                        └──(first factor: nothing to prove)──►┘
       └── five wrong answers: dead

- The link is for one person, for ten minutes, and for one use. It is worth nothing without the binding code (40 bits),
  which only Slack shows, to that person alone. Looking at the link changes nothing: previews do that.
- A newer link ends the one before. What is wrong with a link is never said: it is "over".
- Who has a factor already proves it, by a code of it (the gate judges it and counts) or a recovery code, which does
  nothing but this. Two codes in a row of the new one, and it waits as a candidate; it counts for nothing.
- Somebody else must let it in with their own code (handlers/access.py). Every step is audited, each change told.
Source of the numbers: NIST SP 800-63B-4 §6.1.2.4 (binding codes: 40 bits, ten minutes, one use).
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass, replace

from handlers.core.door.approval import WORKSPACE, Decision, Gate
from handlers.core.door.seeds import Candidate, Fresh, Seeds, recovery_codes, spelled
from handlers.core.door.tellings import Telling, Told, hard_locked, replayed
from handlers.core.door.tickets import TRIES, Ticket
from handlers.core.ports import Audit, Clock, Entropy, State
from handlers.core.words.answers import Actor, PersonId, Surface
from handlers.core.words.audit import AuditEvent
from handlers.core.words.digests import Json, digest
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Person, Text

LINK_SECONDS = 600
PAGE_SECONDS = 900
ROUNDS = 16
_CODE = re.compile(r"[0-9]{6}")
_TOKEN = re.compile(r"[a-z2-7]{32}")


@dataclass(frozen=True, slots=True)
class Invitation:
    """What Slack shows to the person alone."""

    token: str
    binding: str
    renews: bool


@dataclass(frozen=True, slots=True)
class Bound:
    """The link was opened by the person. `key` belongs to the browser that did; with `fresh` its seed is shown, once;
    without it the old factor must be proved first."""

    key: str
    fresh: Fresh | None = None


class Enrolments:
    """See the module."""

    def __init__(
        self,
        seeds: Seeds,
        gate: Gate,
        state: State,
        audit: Audit,
        clock: Clock,
        entropy: Entropy,
        telling: Telling,
    ) -> None:
        self._seeds = seeds
        self._gate = gate
        self._state = state
        self._audit = audit
        self._clock = clock
        self._entropy = entropy
        self._telling = telling

    # -- the link ----------------------------------------------------------------------------------------------

    def invite(self, actor: Actor) -> Invitation:
        """A link for this person. Raises OutsideError or Damage."""
        token, binding = self._entropy.token(32), self._entropy.token(8)
        ticket = Ticket(
            enrolment=self._entropy.token(16),
            person=actor.person,
            team=WORKSPACE,
            binding=digest("binding", {"token": token, "code": binding}),
            expires=self._now() + LINK_SECONDS,
            renews=self._gate.enrolled(actor),
        )
        self._write("enrolment.invited", ticket, renews=ticket.renews)
        if self._state.put_if(_key(token), ticket.to_bytes(), None, seconds=LINK_SECONDS + PAGE_SECONDS) is None:
            raise _contended()
        self._newest(actor.person, _key(token))
        return Invitation(token, f"{binding[:4]}-{binding[4:]}", ticket.renews)

    def bind(self, token: str, typed: str) -> Bound:
        """The binding code was typed on the page. Raises Refusal, OutsideError or Damage."""
        ticket, version = self._open(token, "invited")
        right = digest("binding", {"token": token, "code": _tidied(typed)})
        if not hmac.compare_digest(right, ticket.binding):
            raise self._wrong(token, ticket, version, "binding code")
        key = self._entropy.token(32)
        bound = replace(ticket, state="bound", key=_hashed(key), expires=self._now() + PAGE_SECONDS, tries=TRIES)
        self._write("enrolment.bound", ticket)
        if ticket.renews:
            self._put(token, bound, version)
            return Bound(key)
        return Bound(key, self._show(token, bound, version))

    def prove(self, token: str, key: str, typed: str) -> Bound:
        """The old factor: a code of it, or a recovery code. Raises Refusal, OutsideError or Damage."""
        ticket, version = self._opened(token, key, "bound")
        proof, why = self._proof(ticket, typed)
        if not proof:
            raise self._wrong(token, ticket, version, "proof", why)
        self._write("enrolment.proved", ticket, proof=proof)
        return Bound(key, self._show(token, replace(ticket, proof=proof, tries=TRIES), version))

    def finish(self, token: str, key: str, first: str, second: str) -> tuple[str, ...]:
        """Two codes of the new factor: it waits to be let in from now on. The recovery codes, to be shown once. Raises
        Refusal, OutsideError or Damage."""
        ticket, version = self._opened(token, key, "shown")
        recovery = recovery_codes(self._entropy)
        candidate = Candidate(
            ticket.whose, ticket.enrolment, self._clock.now(), renews=ticket.renews, proof=ticket.proof
        )
        sealed = base64.b64decode(ticket.sealed)
        try:
            fingerprint = self._seeds.propose(candidate, ticket.team, sealed, (first, second), recovery)
        except Refusal as refusal:
            raise self._wrong(token, ticket, version, "codes", refusal.text) from refusal
        self._write("enrolment.proposed", ticket, fingerprint=fingerprint, proof=ticket.proof)
        self._put(token, replace(ticket, state="done", sealed=""), version)
        self._telling.tell(_proposed(ticket))
        return tuple(spelled(each) for each in recovery)

    # -- inside ------------------------------------------------------------------------------------------------

    def _proof(self, ticket: Ticket, typed: str) -> tuple[str, Text | None]:
        """How the old factor was proved; empty with a reason when it was not."""
        tidied = _tidied(typed)
        if not _CODE.fullmatch(tidied):
            found = self._seeds.recovers(ticket.whose, ticket.team, tidied)
            return ("recovery", None) if found else ("", Text("That is not a recovery code that can still be used."))
        actor = _actor(ticket)
        asked = digest("enrolment", {"enrolment": ticket.enrolment, "person": ticket.person})
        decision, text = self._gate.submit(actor, self._gate.open(actor, asked), asked, tidied)
        if decision is Decision.HARD_LOCKED:
            self._telling.tell(hard_locked(ticket.whose))
        elif decision is Decision.REPLAYED:
            self._telling.tell(replayed(ticket.whose))
        return ("code", None) if decision is Decision.ACCEPTED else ("", text)

    def _show(self, token: str, ticket: Ticket, version: str) -> Fresh:
        fresh = self._seeds.fresh(ticket.whose, ticket.team, ticket.enrolment)
        sealed = base64.b64encode(fresh.sealed).decode()
        self._put(token, replace(ticket, state="shown", sealed=sealed), version)
        return fresh

    def _open(self, token: str, state: str) -> tuple[Ticket, str]:
        """Raises Refusal, always the same one."""
        held = self._state.get(_key(token)) if _TOKEN.fullmatch(token) else None
        if held is None:
            raise _over()
        ticket = Ticket.from_bytes(held.value)
        newest = self._state.get(f"enrolling:{ticket.person}")
        if newest is None or newest.value.decode() != _key(token):
            raise _over()
        if ticket.state != state or self._now() >= ticket.expires:
            raise _over()
        return ticket, held.version

    def _opened(self, token: str, key: str, state: str) -> tuple[Ticket, str]:
        ticket, version = self._open(token, state)
        if not hmac.compare_digest(_hashed(key), ticket.key):
            raise _over()
        return ticket, version

    def _wrong(self, token: str, ticket: Ticket, version: str, what: str, why: Text | None = None) -> Refusal:
        """Counts a wrong answer; what is said of it."""
        left = ticket.tries - 1
        self._write("enrolment.refused", ticket, decision="deny", what=what, left=left)
        self._put(token, replace(ticket, tries=left, state=ticket.state if left else "dead"), version)
        if left:
            return Refusal(why or Text("That is not right. Tries left: {left}.", left=left))
        self._telling.tell(
            Told(
                "refused",
                ticket.whose,
                Text("Somebody failed five times on your enrolment page, and the link is over. Was it you?"),
                Text("The enrolment page of {person} was refused five times.", person=Person(ticket.person)),
            )
        )
        return _over()

    def _put(self, token: str, ticket: Ticket, version: str) -> None:
        stored = self._state.put_if(_key(token), ticket.to_bytes(), version, seconds=LINK_SECONDS + PAGE_SECONDS)
        if stored is None:
            raise _over()  # somebody else answered this page at the same moment

    def _newest(self, person: PersonId, key: str) -> None:
        for _ in range(ROUNDS):
            held = self._state.get(f"enrolling:{person}")
            version = None if held is None else held.version
            seconds = LINK_SECONDS + PAGE_SECONDS
            if self._state.put_if(f"enrolling:{person}", key.encode(), version, seconds=seconds) is not None:
                return
        raise _contended()

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _write(self, event: str, ticket: Ticket, *, decision: str = "allow", **facts: Json) -> None:
        about: dict[str, Json] = {"enrolment": ticket.enrolment, **facts}
        actor = _actor(ticket)
        self._audit.write(AuditEvent(event, decision, actor, target=ticket.person, facts=about))


def _proposed(ticket: Ticket) -> Told:
    whose = Person(ticket.person)
    asks = {"action": "access_admit", "value": f"{ticket.person}.{ticket.enrolment}"}
    how = {"code": "a code of the one before", "recovery": "a recovery code"}.get(ticket.proof, "")
    if not ticket.renews:
        to_all = Text("{person} has set up a second factor. It counts when somebody else lets it in.", person=whose)
    else:
        to_all = Text(
            "{person} has set up a new second factor, with {how}. It counts when somebody else lets it in, "
            "and confirms nothing for 24 hours.",
            person=whose,
            how=how,
        )
    to_them = Text("A second factor was set up for you. Was it not you? Tell an administrator now: nothing counts yet.")
    return Told("proposed", ticket.whose, to_them, to_all, asks)


def _actor(ticket: Ticket) -> Actor:
    return Actor(ticket.whose, ticket.team, Surface.SLACK)


class LinkOver(Refusal):
    """There is nothing more to do on this page."""


def _over() -> LinkOver:
    return LinkOver(Text("This link is over, or it was used. Ask for a new one in Slack."))


def _contended() -> OutsideError:
    return OutsideError(Text("Too many asked at once. Nothing was done; try again."))


def _tidied(typed: str) -> str:
    return re.sub(r"[\s-]", "", typed[:100]).lower()


def _key(token: str) -> str:
    return f"enrol:{digest('enrol-link', {'token': token})[:40]}"


def _hashed(key: str) -> str:
    return digest("enrol-key", {"key": key[:100]})
