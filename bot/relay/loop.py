"""The relay: makes the chat look like what the boards say it should look like.

- Whatever changed has a key `dirty:<name>`; its card is rendered anew and only the difference is sent, newest wins. The
  key goes when nothing is left to send and nothing changed meanwhile. A name is `<kind>.<id>`, a job's only its id.
- One message for each, edited in place: at most every 3 s, its end after 1 s. Notes go into its thread, in order, once.
- Intent before post: `card:<name>` says that a message is about to be sent, the message carries the same mark, and
  after a crash or a lost answer the chat is asked for the mark before anything is sent again.
- One relay acts at a time over all processes: the lease `relay` lives 15 s and is renewed when it is older than 4 s
  before anything is sent; a call takes at most 10 s, so nobody sends under a lease that is somebody else's.
- What is urgent goes first; several messages may be on their way at a time, of one card only one. The budget is in
  `budget`. Who is asked to slow down waits as long as asked, only there.
- A message that is gone is posted anew; where the bot may not write, the card goes to the asker directly, or to the
  posting's refuge, and says why.
- What fails is tried again, ever more slowly; what ended a day ago is given up.
- A card whose picture the chat does not take is shown without it (`pictures`).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bot.relay.budget import Budget
from bot.relay.lease import LEASE_SECONDS, Lease
from bot.relay.pictures import Pictures
from bot.relay.ports import Board, Chat, Snag
from bot.relay.shown import Record
from bot.relay.tally import Tally
from handlers.core.cards import Card
from handlers.core.errors import OutsideError, Problem, Refusal
from handlers.core.ports import Clock, State
from handlers.core.postings import Posting
from handlers.core.text import Seconds, Text

log = logging.getLogger(__name__)

DIRTY = "dirty:"
EDIT_SECONDS, END_SECONDS, LOOK_SECONDS = 3.0, 1.0, 2.0
STEP_SECONDS, GAP_SECONDS, GAP_SHARE = 0.1, 0.05, 3.0
POLL_SECONDS, SOON_SECONDS, MOST_WAIT_SECONDS = 1.0, 0.02, 60.0
GIVE_UP = timedelta(days=1)
MESSAGES = 5
LATE = timedelta(minutes=2)


class Relay:
    """A thread; `tick` is one pass of it."""

    def __init__(
        self, boards: Mapping[str, Board], state: State, chat: Chat, clock: Clock, *, senders: int = 1
    ) -> None:
        """`boards`: by the kind of what they show; jobs have the kind "". `senders`: how many messages may be on their
        way at a time."""
        self._boards, self._state, self._chat, self._clock = boards, state, chat, clock
        self._lease = Lease(state, clock)
        self._free: dict[str, float] = {}
        self._edited: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._urgency: dict[str, int] = {}
        self._waiting: dict[str, datetime] = {}
        self._budget, self._term = Budget(clock, state), 0
        self.tally = Tally()
        self._pictures = Pictures(clock)
        self._due = 0.0
        self._awake, self._stopped = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(senders, thread_name_prefix="sender") if senders > 1 else None
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
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        self._guarded("lease", self._lease.release)

    def _run(self) -> None:
        while not self._stopped.is_set():
            began = self._clock.monotonic()
            self._due = began + POLL_SECONDS
            if not self._blocked("state"):
                self._guarded("state", self._pass)
            # However often it is woken (a storm does hundreds of times a second), the intake gets most of the time.
            took = self._clock.monotonic() - began
            self._stopped.wait(min(POLL_SECONDS, max(GAP_SECONDS, GAP_SHARE * took)))
            self._awake.wait(max(0.0, self._due - self._clock.monotonic()))
            self._awake.clear()

    def tick(self) -> float:
        """One pass over everything that changed; the seconds until there may be more to do. Raises OutsideError."""
        self._due = self._clock.monotonic() + POLL_SECONDS
        self._pass()
        return max(SOON_SECONDS, self._due - self._clock.monotonic())

    def _pass(self) -> None:
        if not self._lease.held():
            self._waiting.clear()
            return
        if self._term != self._lease.terms:
            self._budget.taken_over()
            self._term = self._lease.terms
        names = [key.removeprefix(DIRTY) for key in self._state.keys(DIRTY)]
        for kind, board in self._boards.items():
            board.begin([_id(name) for name in names if _kind(name) == kind])
        order = sorted(names, key=lambda each: (self._urgency.get(each, 0), self._edited.get(each, 0.0)))
        if self._pool is None:
            for name in order:
                self._turn(name)
        else:
            list(self._pool.map(self._turn, order))
        self._failures.pop("state", None)

    def _turn(self, name: str) -> None:
        if not self._stopped.is_set() and not self._blocked(DIRTY + name):
            self._guarded(DIRTY + name, partial(self._show, name))

    def _guarded(self, key: str, step: Callable[[], None]) -> None:
        """One card's trouble is not another's."""
        try:
            step()
        except Problem as problem:
            wait = getattr(problem, "retry_after_seconds", None)
            self.tally.waits += wait is not None
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

    def oldest_unsent_seconds(self) -> float:
        """How long the oldest thing waits that this relay still has to show; 0 when there is nothing."""
        waiting = tuple(self._waiting.values())
        return max(0.0, (self._clock.now() - min(waiting)).total_seconds()) if waiting else 0.0

    def _show(self, name: str) -> None:
        dirty = self._state.get(DIRTY + name)
        board = self._boards.get(_kind(name))
        if dirty is None or board is None:
            return
        self._waiting.setdefault(name, self._clock.now())
        record = Record(self._state, name)
        posting = board.posting(_id(name), shown=record.visible)
        if posting is None or self._hopeless(name, posting) or self._settled(name, posting, record):
            self._state.delete_if(DIRTY + name, dirty.version)
            self._waiting.pop(name, None)
            self._urgency.pop(name, None)
            self._worked(name)
            if posting is None or posting.ended is not None:
                self._edited.pop(name, None)
                self._pictures.forget(name)
        else:
            self._due = min(self._due, self._clock.monotonic() + STEP_SECONDS)

    def _worked(self, name: str) -> None:
        """A call was answered well: the next failure is the first again. Waiting for the budget is no answer."""
        self._failures.pop(DIRTY + name, None)

    def _hopeless(self, name: str, posting: Posting) -> bool:
        old = posting.ended is not None and self._clock.now() - posting.ended > GIVE_UP
        if old and DIRTY + name in self._failures:
            log.error("%s: ended a day ago and still cannot be shown; given up", name)
            self.tally.lost += 1
        return old and DIRTY + name in self._failures

    def _settled(self, name: str, posting: Posting, record: Record) -> bool:
        """Takes the next step, if it may be taken now. True: nothing is left to do."""
        record.aim(posting, self._clock.now())
        shown = record.shown
        self._urgency[name] = posting.urgency
        card = self._pictures.allowed(name, _explained(posting.card, shown.because, shown.late))
        digest = self._chat.digest(card)
        try:
            if not shown.ts:
                mark = f"{name}.{shown.message}" if shown.message else name
                if (sent := self._sent(record, card, mark, None)) is not None:
                    ts, found = sent
                    late = self._late(posting)
                    if posting.tells_late and not found and not shown.message:
                        self.tally.arrived((self._clock.now() - posting.began).total_seconds())
                    digest = "" if found or late else digest
                    notes = len(posting.notes) if posting.tells_late and not found else shown.notes
                    adopted = found and record.fresh
                    record.store(ts=ts, intent="", digest=digest, adopted=adopted, late=late, notes=notes)
                    self._edited[name] = self._clock.monotonic()
                    self._worked(name)
            elif shown.digest != digest:
                self._edit(name, posting, record, card, digest)
            elif shown.notes < len(posting.notes):
                note = posting.notes[shown.notes]
                if self._sent(record, note, f"{name}/{shown.message}/{shown.notes}", shown.ts) is not None:
                    record.store(intent="", notes=shown.notes + 1)
                    self._worked(name)
            else:
                return not self._short(self._pictures.wait(name, posting.card))
        except Refusal as refusal:
            self._move(posting, record, refusal.text)
        except OutsideError as error:
            if self._pictures.refused(name, card, error):
                self._edited.pop(name, None)
                return False  # at once again, without it
            if not (isinstance(error, Snag) and error.gone):
                raise
            return self._post_anew(posting, record)
        return False

    def _late(self, posting: Posting) -> int:
        passed = self._clock.now() - posting.began
        return round(passed.total_seconds()) if posting.tells_late and passed > LATE else 0

    def _sent(self, record: Record, said: Card | Text, mark: str, thread: str | None) -> tuple[str, bool] | None:
        """The message's id and whether it was there already; None while the channel has to wait."""
        shown = record.shown
        lane = f"post {shown.channel}"
        if self._blocked(lane) or self._short(self._budget.post_in(shown.channel)):
            return None
        if shown.intent or (shown.adopted and thread):
            near = datetime.fromisoformat(shown.intent) if shown.intent else self._clock.now()
            found = self._found(shown.channel, mark, near, thread)
            if found is not None:
                return found, True
        if self._short(self._budget.take_post(shown.channel)):
            return None
        record.store(intent=self._clock.now().isoformat())
        self._still_ours()
        self.tally.posts += 1
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

    def _short(self, wait: float) -> bool:
        """Whether there is no budget for it now."""
        if wait > 0:
            self._due = min(self._due, self._clock.monotonic() + wait)
        return wait > 0

    def _edit(self, name: str, posting: Posting, record: Record, card: Card, digest: str) -> None:
        now = self._clock.monotonic()
        pause = END_SECONDS if posting.urgency == 0 else EDIT_SECONDS
        if name in self._edited and self._short(self._edited[name] + pause - now):
            return
        if self._blocked("edit") or self._short(self._budget.take_edit(posting.urgency)):
            return
        self._still_ours()
        self._edited[name] = now
        self.tally.edits += 1
        try:
            self._chat.update(record.shown.channel, record.shown.ts, card)
        except OutsideError as error:
            if isinstance(error, Snag) and error.retry_after_seconds is not None:
                self._hold_back("edit", error.retry_after_seconds)
            raise
        record.store(digest=digest)
        self._worked(name)

    def _post_anew(self, posting: Posting, record: Record) -> bool:
        """The message is gone. True: it was posted often enough."""
        if posting.elsewhere and posting.refuge not in {"", record.shown.channel}:
            self._move(posting, record, Text("Its message was removed."))
            return False
        if record.shown.message >= MESSAGES:
            log.error("a card was removed %d times; not posted again", MESSAGES)
            return True
        record.store(ts="", intent="", digest="", adopted=False, message=record.shown.message + 1)
        return False

    def _move(self, posting: Posting, record: Record, why: Text) -> None:
        """Shows the card to the asker, or in the refuge. Raises Refusal where that is not possible."""
        refuge = posting.refuge if posting.refuge != record.shown.channel else ""
        if record.shown.because or not (posting.person or refuge):
            raise Refusal(why)
        channel = self._chat.direct(posting.person) if posting.person else refuge
        message = record.shown.message + (1 if record.shown.ts else 0)
        record.store(channel=channel, ts="", intent="", digest="", because=str(why), message=message)

    def _still_ours(self) -> None:
        if not self._lease.held():
            raise OutsideError(Text("Another relay is at work."))


def _kind(name: str) -> str:
    return name.partition(".")[0] if "." in name else ""


def _id(name: str) -> str:
    return name.partition(".")[2] if "." in name else name


def _explained(card: Card, because: str, late: int) -> Card:
    """The card, with why it is here and how late it came."""
    lines = card.lines
    if late:
        lines = (Text("This was posted {late} late.", late=Seconds(late)), *lines)
    if because:
        lines = (Text("{reason} So it is shown here.", reason=because), *lines)
    return replace(card, lines=lines)
