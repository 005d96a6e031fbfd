"""The terminal: the same desk and the same gate, for the day Slack is down.

- Cards are printed; a job runs here, in this process, and says how far it is.
- A code is typed without being shown. A seed is shown once, as a QR code on this terminal, and nowhere else; so are
  recovery codes.
"""

from __future__ import annotations

import getpass
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from typing import Protocol, TextIO

from bot.worker import Beat
from handlers.core.door.desk import Accepted, Began, Desk, Said
from handlers.core.door.policy import Permission
from handlers.core.door.rules import Rules, Wish
from handlers.core.words.answers import Actor, Invocation, JobId, PersonId, Surface
from handlers.core.words.audit import Verdict
from handlers.core.words.cards import Card
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text, spelled_time
from handlers.core.words.tongues import ENGLISH, Tongue

WATCH_SECONDS = 1.0
CODE_ATTEMPTS = 3
_ASKED = Text("Code from your authenticator (nothing is shown):")
HOST = PersonId("host")
CHANNEL = "terminal"


class Enrolment(Protocol):
    """Makes second factors."""

    def begin(self, person: PersonId, team: str) -> tuple[str, str]:
        """A new seed and its otpauth:// address; nothing is stored."""

    def enroll(self, person: PersonId, team: str, seed: str, first: str, second: str) -> tuple[str, ...]:
        """Stores it once two codes that follow each other are right; its recovery codes. Raises Refusal."""


class Terminal:
    """Talks to a person at the host's terminal. `team`: the Slack workspace whose people are meant."""

    def __init__(
        self,
        desk: Desk,
        team: str,
        *,
        out: TextIO = sys.stdout,
        ask: Callable[[str], str] = getpass.getpass,
        tongue: Tongue = ENGLISH,
    ) -> None:
        self._tongue = tongue
        self._desk = desk
        self._team = team
        self._out = out
        self._ask = ask

    def run(self, command: str, *words: str, person: str = "", spelled: Callable[[Job], str] | None = None) -> int:
        """Asks the desk, confirms with a code if it must, runs the job, and says how it ended: the exit code.
        `spelled`: what is printed of the ended job instead of its card."""
        actor = Actor(PersonId(person or HOST), self._team, Surface.TERMINAL)
        answer = self._desk.ask(Invocation(command, words, actor, CHANNEL))
        match answer:
            case Said(card):
                self._show(card)
                return 1 if card.tone.value in {"bad", "warning"} else 0
            case Began(job_id):
                return self._job(job_id, actor, spelled)

    def _job(self, job_id: JobId, actor: Actor, spelled: Callable[[Job], str] | None) -> int:
        job = self._loaded(job_id)
        if job.state is JobState.OFFERED:
            self._show(self._desk.card(job))
            if not self._confirmed(job_id, actor):
                self._desk.cancel(job_id, actor)
                return 1
        with Beat(self._desk):
            thread = threading.Thread(target=self._desk.work, args=(job_id,), name="job", daemon=True)
            thread.start()
            said = ""
            while thread.is_alive():
                thread.join(WATCH_SECONDS)
                said = self._say_progress(job_id, said)
        ended = self._loaded(job_id)
        if spelled is not None:
            print(spelled(ended), file=self._out)
        else:
            for note in ended.notes:
                print(f"  {self._tongue.said(note)}", file=self._out)
            self._show(self._desk.card(ended))
        well = ended.outcome is not None and ended.outcome.facts.get("verdict", "pass") == "pass"
        return 0 if ended.state is JobState.DONE and well else 1

    def _confirmed(self, job_id: JobId, actor: Actor) -> bool:
        try:
            challenge = self._desk.challenge(job_id, actor)
        except Refusal as refusal:
            print(str(self._tongue.said(refusal.text)), file=self._out)
            return False
        for _ in range(CODE_ATTEMPTS):
            verdict = self._desk.approve(challenge.id, actor, self._ask(f"{self._tongue.said(_ASKED)} "))
            if isinstance(verdict, Accepted):
                return True
            print(str(self._tongue.said(verdict.text)), file=self._out)
            if not verdict.again:
                return False
        return False

    def _say_progress(self, job_id: JobId, said: str) -> str:
        job = self._desk.load(job_id)
        if job is None or job.progress is None:
            return said
        card = self._desk.card(job)
        line = str(self._tongue.said(card.lines[0])) if card.lines else ""
        if line != said:
            print(f"  {line}", file=self._out, flush=True)
        return line

    def _loaded(self, job_id: JobId) -> Job:
        job = self._desk.load(job_id)
        if job is None:
            raise Refusal(Text("The record of the job is gone."))
        return job

    def _show(self, card: Card) -> None:
        card = self._tongue.said(card)
        print(f"\n{card.title}", file=self._out)
        for line in card.lines:
            print(f"  {line}", file=self._out)
        for fact in card.facts:
            print(f"  {str(fact.label) + ':':<14} {fact.value}", file=self._out)


def enroll(
    enrolment: Enrolment,
    person: str,
    team: str,
    *,
    ask: Callable[[str], str] = getpass.getpass,
    out: TextIO = sys.stdout,
) -> int:
    """Shows a QR code, asks for two codes that follow each other, and stores the factor."""
    import segno  # imported only where it is used

    seed, address = enrolment.begin(PersonId(person), team)
    print(f"Scan this with the authenticator of {person}. It is shown once.\n", file=out)
    segno.make(address, error="m").terminal(out=out, compact=True)
    print(f"\nOr type this key: {' '.join(seed[i : i + 4] for i in range(0, len(seed), 4))}\n", file=out)
    first = ask("The code it shows now: ")
    second = ask("The next code, in up to 30 seconds: ")
    recovery = enrolment.enroll(PersonId(person), team, seed, first.strip(), second.strip())
    print(f"{person} is enrolled. Every code can be used once; these two are spent.", file=out)
    print(
        "\nRecovery codes, shown once: each sets up another factor when this one is lost, and does nothing else.",
        file=out,
    )
    for each in recovery:
        print(f"  {each}", file=out)
    return 0


def who_can(rules: Rules, operation: str, target: str, now: datetime, *, out: TextIO = sys.stdout) -> int:
    """Says who may do the most that an operation can do, who must agree, and what is frozen now: 0, or 1 when nobody
    may."""
    if not rules.version:
        print("POLICY_FILE is not set: every full member may, with their own code.", file=out)
        return 0
    found = rules.who_can(Wish(Permission.DESTROY, operation, target))
    for name, need in found:
        others = f", and {need.approvals} of {', '.join(sorted(need.approvers))} must agree" if need.approvals else ""
        alone = f"; in an emergency alone, for {need.alone} minutes" if need.alone else ""
        print(f"{name}, with their own code{others}{alone}", file=out)
    if not found:
        print("nobody", file=out)
    wish = Wish(Permission.DESTROY, operation, target, at=now)
    for freeze in rules.frozen(wish):
        may = sorted(each.name for each in rules.humans.values() if each.roles & freeze.override)
        print(f"frozen now by {freeze.name}, until {spelled_time(freeze.span.until(now))}", end="", file=out)
        print(f", but for {', '.join(may)}" if may else "", file=out)
    if any(rule.arguments for rule in rules.rules):
        print("not asked here: arguments; a rule that is for some only is taken as if they were those", file=out)
    if rules.groups:
        print(f"not asked here: who is in the Slack user groups {', '.join(sorted(rules.groups))}", file=out)
    return 0 if found else 1


def audit_verdict(verdict: Verdict, path: str, *, out: TextIO = sys.stdout) -> int:
    """Says what a verification found: 0 clean, 1 tampered, 2 incomplete."""
    if verdict.problem:
        print(f"{path}: TAMPERED. {verdict.problem}. The {verdict.records} before it are in order.", file=out)
        return 1
    if verdict.torn:
        print(f"{path}: INCOMPLETE. {verdict.records} records are in order; the last line is cut.", file=out)
        return 2
    print(f"{path}: {verdict.records} records, in order. The last hash is {verdict.head}.", file=out)
    print(
        f"  the bot's signature vouches for {verdict.sealed} of them, a copy elsewhere for {verdict.anchored}", file=out
    )
    for remark in verdict.remarks:
        print(f"  look at this: {remark}", file=out)
    if verdict.unasked:
        print(f"  INCOMPLETE. The copies elsewhere could not be asked: {verdict.unasked}", file=out)
    return 2 if verdict.unasked else 0
