"""The terminal: the same desk and the same gate, for the day Slack is down.

- Cards are printed; a job runs here, in this process, and says how far it is.
- A code is typed without being shown. A seed is shown once, as a QR code on this terminal, and nowhere else.
"""

from __future__ import annotations

import getpass
import sys
import threading
from collections.abc import Callable
from typing import Protocol, TextIO

import segno

from bot.worker import Beat
from handlers.core.answers import Actor, Invocation, JobId, PersonId, Surface
from handlers.core.audit import Verdict
from handlers.core.cards import Card
from handlers.core.desk import Accepted, Began, Desk, Said
from handlers.core.errors import Refusal
from handlers.core.jobs import Job, JobState
from handlers.core.policy import Permission
from handlers.core.rules import Rules, Wish
from handlers.core.text import Text

WATCH_SECONDS = 1.0
CODE_ATTEMPTS = 3
HOST = PersonId("host")
CHANNEL = "terminal"


class Enrolment(Protocol):
    """Makes second factors."""

    def begin(self, person: PersonId, team: str) -> tuple[str, str]:
        """A new seed and its otpauth:// address; nothing is stored."""

    def enroll(self, person: PersonId, team: str, seed: str, first: str, second: str) -> None:
        """Stores it once two codes that follow each other are right. Raises Refusal."""


class Terminal:
    """Talks to a person at the host's terminal. `team`: the Slack workspace whose people are meant."""

    def __init__(
        self, desk: Desk, team: str, *, out: TextIO = sys.stdout, ask: Callable[[str], str] = getpass.getpass
    ) -> None:
        self._desk = desk
        self._team = team
        self._out = out
        self._ask = ask

    def run(self, command: str, *words: str, person: str = "") -> int:
        """Asks the desk, confirms with a code if it must, runs the job, and says how it ended: the exit code."""
        actor = Actor(PersonId(person or HOST), self._team, Surface.TERMINAL)
        answer = self._desk.ask(Invocation(command, words, actor, CHANNEL))
        match answer:
            case Said(card):
                self._show(card)
                return 1 if card.tone.value in {"bad", "warning"} else 0
            case Began(job_id):
                return self._job(job_id, actor)

    def _job(self, job_id: JobId, actor: Actor) -> int:
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
        for note in ended.notes:
            print(f"  {note}", file=self._out)
        self._show(self._desk.card(ended))
        well = ended.outcome is not None and ended.outcome.facts.get("verdict", "pass") == "pass"
        return 0 if ended.state is JobState.DONE and well else 1

    def _confirmed(self, job_id: JobId, actor: Actor) -> bool:
        try:
            challenge = self._desk.challenge(job_id, actor)
        except Refusal as refusal:
            print(str(refusal), file=self._out)
            return False
        for _ in range(CODE_ATTEMPTS):
            verdict = self._desk.approve(
                challenge.id, actor, self._ask("Code from your authenticator (nothing is shown): ")
            )
            if isinstance(verdict, Accepted):
                return True
            print(str(verdict.text), file=self._out)
            if not verdict.again:
                return False
        return False

    def _say_progress(self, job_id: JobId, said: str) -> str:
        job = self._desk.load(job_id)
        if job is None or job.progress is None:
            return said
        card = self._desk.card(job)
        line = str(card.lines[0]) if card.lines else ""
        if line != said:
            print(f"  {line}", file=self._out, flush=True)
        return line

    def _loaded(self, job_id: JobId) -> Job:
        job = self._desk.load(job_id)
        if job is None:
            raise Refusal(Text("The record of the job is gone."))
        return job

    def _show(self, card: Card) -> None:
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
    seed, address = enrolment.begin(PersonId(person), team)
    print(f"Scan this with the authenticator of {person}. It is shown once.\n", file=out)
    segno.make(address, error="m").terminal(out=out, compact=True)
    print(f"\nOr type this key: {' '.join(seed[i : i + 4] for i in range(0, len(seed), 4))}\n", file=out)
    first = ask("The code it shows now: ")
    second = ask("The next code, in up to 30 seconds: ")
    enrolment.enroll(PersonId(person), team, seed, first.strip(), second.strip())
    print(f"{person} is enrolled. Every code can be used once; these two are spent.", file=out)
    return 0


def who_can(rules: Rules, operation: str, target: str, *, out: TextIO = sys.stdout) -> int:
    """Says who may do the most that an operation can do, and who must agree: 0, or 1 when nobody may."""
    if not rules.version:
        print("POLICY_FILE is not set: every full member may, with their own code.", file=out)
        return 0
    found = rules.who_can(Wish(Permission.DESTROY, operation, target))
    for name, need in found:
        others = f", and {need.approvals} of {', '.join(sorted(need.approvers))} must agree" if need.approvals else ""
        print(f"{name}, with their own code{others}", file=out)
    if not found:
        print("nobody", file=out)
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
    return 0
