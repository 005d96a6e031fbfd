"""The relay: makes the chat look like what the desk says it should look like.

- Whatever changed has a key `dirty:<job>`; its card is rendered anew and only the difference is sent, newest wins. The
  key goes when nothing is left to send and nothing changed meanwhile.
- One message a job, edited in place: at most every 3 s, its end after 1 s. Notes go into its thread, in order, once.
- Intent before post: `card:<job>` says that a message is about to be sent, the message carries the same mark, and
  after a crash or a lost answer the chat is asked for the mark before anything is sent again.
- One relay acts at a time over all processes: the lease `relay` lives 15 s and is renewed when it is older than 4 s
  before anything is sent; a call takes at most 10 s, so nobody sends under a lease that is somebody else's.
- One message a second in a channel; 40 edits a minute for progress, the rest of Slack's 50 is for ends. Who is asked to
  slow down waits as long as asked, and only there.
- A message that is gone is posted anew; where the bot may not write, the card goes to the asker directly.
- What fails is tried again, ever more slowly; a job that ended a day ago is given up.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from bot.relay.lease import LEASE_SECONDS, Lease
from bot.relay.ports import Chat, Desk, Snag
from bot.relay.shown import Record
from handlers.core.answers import JobId, Surface
from handlers.core.cards import Card
from handlers.core.errors import OutsideError, Problem, Refusal
from handlers.core.jobs import Job
from handlers.core.ports import Clock, State
from handlers.core.text import Text

log = logging.getLogger(__name__)

DIRTY = "dirty:"
EDIT_SECONDS, END_SECONDS, POST_SECONDS, LOOK_SECONDS = 3.0, 1.0, 1.0, 2.0
STEP_SECONDS = 0.1
EDITS_A_MINUTE = 40
POLL_SECONDS, SOON_SECONDS, MOST_WAIT_SECONDS = 1.0, 0.02, 60.0
GIVE_UP = timedelta(days=1)
MESSAGES = 5


class Relay:
    """A thread; `tick` is one pass of it."""

    def __init__(self, desk: Desk, state: State, chat: Chat, clock: Clock) -> None:
        self._desk, self._state, self._chat, self._clock = desk, state, chat, clock
        self._lease = Lease(state, clock)
        self._free: dict[str, float] = {}
        self._edited: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._edits: deque[float] = deque()
        self._due = 0.0
        self._awake, self._stopped = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def wake(self) -> None:
        """Something changed: look now, not in a second."""
        self._awake.set()

    def stop(self) -> None:
        """Finishes what it is sending, and lets another relay go on."""
        self._stopped.set()
        self._awake.set()
        if self._thread.is_alive():
            self._thread.join(LEASE_SECONDS)
        self._guarded("lease", self._lease.release)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._due = self._clock.monotonic() + POLL_SECONDS
            if not self._blocked("state"):
                self._guarded("state", self._pass)
            self._awake.wait(max(SOON_SECONDS, self._due - self._clock.monotonic()))
            self._awake.clear()

    def tick(self) -> float:
        """One pass over everything that changed; the seconds until there may be more to do. Raises OutsideError."""
        self._due = self._clock.monotonic() + POLL_SECONDS
        self._pass()
        return max(SOON_SECONDS, self._due - self._clock.monotonic())

    def _pass(self) -> None:
        if not self._lease.held():
            return
        keys = self._state.keys(DIRTY)
        for key in sorted(keys, key=lambda each: self._edited.get(each.removeprefix(DIRTY), 0.0)):
            if not self._stopped.is_set() and not self._blocked(key):
                self._guarded(key, lambda key=key: self._show(key))  # type: ignore[misc]
        self._failures.pop("state", None)

    def _guarded(self, key: str, step: Callable[[], None]) -> None:
        """One card's trouble is not another's."""
        try:
            step()
        except Problem as problem:
            wait = getattr(problem, "retry_after_seconds", None)
            log.warning("%s: %s; again in %.0f s", key, problem, self._later(key, wait))
        except Exception:  # the loop's broad except: a fault in one card must not stop the others
            log.exception("%s: a fault; again in %.0f s", key, self._later(key, None))

    def _later(self, key: str, wait: float | None) -> float:
        if wait is None:
            self._failures[key] = tries = self._failures.get(key, 0) + 1
            wait = min(LOOK_SECONDS * 2.0 ** min(tries - 1, 10), MOST_WAIT_SECONDS)
        self._hold_back(key, wait)
        return wait

    def _hold_back(self, lane: str, seconds: float) -> None:
        self._free[lane] = self._clock.monotonic() + seconds
        self._due = min(self._due, self._free[lane])

    def _blocked(self, lane: str) -> bool:
        free = self._free.get(lane, 0.0)
        if free <= self._clock.monotonic():
            self._free.pop(lane, None)
            return False
        self._due = min(self._due, free)
        return True

    def _show(self, key: str) -> None:
        dirty = self._state.get(key)
        if dirty is None:
            return
        job = self._desk.load(JobId(key.removeprefix(DIRTY)))
        if job is None or self._hopeless(key, job) or self._settled(job):
            self._state.delete_if(key, dirty.version)
            if job is None or job.state.final:
                self._edited.pop(key.removeprefix(DIRTY), None)
        else:
            self._due = min(self._due, self._clock.monotonic() + STEP_SECONDS)
        self._failures.pop(key, None)

    def _hopeless(self, key: str, job: Job) -> bool:
        old = job.ended is not None and self._clock.now() - job.ended > GIVE_UP
        if old and key in self._failures:
            log.error("%s: ended a day ago and still cannot be shown; given up", key)
        return old and key in self._failures

    def _settled(self, job: Job) -> bool:
        """Takes the next step, if it may be taken now. True: nothing is left to do."""
        if job.plan.actor.surface is Surface.TERMINAL or not job.plan.channel:
            return True  # asked for at the terminal: it is shown there
        record = Record(self._state, job, self._clock.now())
        shown = record.shown
        card = self._desk.card(job)
        if shown.because:
            card = replace(card, lines=(Text("{reason} So it is shown here.", reason=shown.because), *card.lines))
        digest = self._chat.digest(card)
        try:
            if not shown.ts:
                mark = f"{job.id}.{shown.message}" if shown.message else str(job.id)
                if (sent := self._sent(record, card, mark, None)) is not None:
                    ts, found = sent
                    record.store(ts=ts, intent="", digest="" if found else digest, adopted=found and record.fresh)
                    self._edited[job.id] = self._clock.monotonic()
            elif shown.digest != digest:
                self._edit(job, record, card, digest)
            elif shown.notes < len(job.notes):
                note = job.notes[shown.notes]
                if self._sent(record, note, f"{job.id}/{shown.notes}", shown.ts) is not None:
                    record.store(intent="", notes=shown.notes + 1)
            else:
                return True
        except Refusal as refusal:
            self._move(job, record, refusal)
        except OutsideError as error:
            if not (isinstance(error, Snag) and error.gone):
                raise
            return self._post_anew(record)
        return False

    def _sent(self, record: Record, said: Card | Text, mark: str, thread: str | None) -> tuple[str, bool] | None:
        """The message's id and whether it was there already; None while the channel has to wait."""
        shown = record.shown
        lane = f"post {shown.channel}"
        if self._blocked(lane):
            return None
        if shown.intent or (shown.adopted and thread):
            near = datetime.fromisoformat(shown.intent) if shown.intent else self._clock.now()
            found = self._found(shown.channel, mark, near, thread)
            if found is not None:
                return found, True
        record.store(intent=self._clock.now().isoformat())
        self._still_ours()
        self._hold_back(lane, POST_SECONDS)
        try:
            return self._chat.post(shown.channel, said, mark, thread), False
        except Problem as problem:
            if isinstance(problem, Snag) and problem.retry_after_seconds is not None:
                self._hold_back(lane, problem.retry_after_seconds)
            if not (isinstance(problem, Snag) and problem.ambiguous):
                record.store(intent="")
            raise

    def _found(self, channel: str, mark: str, near: datetime, thread: str | None) -> str | None:
        try:
            return self._chat.find(channel, mark, near, thread)
        except Refusal:
            return None  # where it may not read, it could not have written
        except OutsideError as error:
            if not error.permanent:
                raise
            log.error("the chat cannot be searched, so a message may appear twice: %s", error)  # noqa: TRY400
            return None

    def _edit(self, job: Job, record: Record, card: Card, digest: str) -> None:
        now = self._clock.monotonic()
        while self._edits and self._edits[0] < now - 60:
            self._edits.popleft()
        free = self._edited.get(job.id, 0.0) + (END_SECONDS if job.state.final else EDIT_SECONDS)
        if not job.state.final and len(self._edits) >= EDITS_A_MINUTE:
            free = max(free, self._edits[0] + 60)
        if free > now and job.id in self._edited:
            self._due = min(self._due, free)
            return
        if self._blocked("edit"):
            return
        self._still_ours()
        self._edited[job.id] = now
        self._edits.append(now)
        try:
            self._chat.update(record.shown.channel, record.shown.ts, card)
        except OutsideError as error:
            if isinstance(error, Snag) and error.retry_after_seconds is not None:
                self._hold_back("edit", error.retry_after_seconds)
            raise
        record.store(digest=digest)

    def _post_anew(self, record: Record) -> bool:
        """The message is gone. True: it was posted often enough."""
        if record.shown.message >= MESSAGES:
            log.error("a card was removed %d times; not posted again", MESSAGES)
            return True
        record.store(ts="", intent="", digest="", adopted=False, message=record.shown.message + 1)
        return False

    def _move(self, job: Job, record: Record, refusal: Refusal) -> None:
        """Shows the card to the asker where the channel refuses it. Raises Refusal where that is not possible."""
        if record.shown.because or job.plan.actor.surface is not Surface.SLACK:
            raise refusal
        channel = self._chat.direct(job.plan.actor.person)
        message = record.shown.message + (1 if record.shown.ts else 0)
        record.store(channel=channel, ts="", intent="", digest="", because=str(refusal), message=message)

    def _still_ours(self) -> None:
        if not self._lease.held():
            raise OutsideError(Text("Another relay is at work."))
