"""The relay: makes the chat look like what the boards say it should look like.

- Whatever changed has a key `dirty:<name>`; its card is rendered anew and only the difference is sent, newest wins. The
  key goes when nothing is left to send and nothing changed meanwhile. A name is `<kind>.<id>`, a job's only its id.
- One message for each, edited in place: at most every 3 s, its end after 1 s. Notes go into its thread, in order, once.
- One relay acts at a time over all processes: the lease `relay` lives 15 s and is renewed when it is older than 4 s
  before anything is sent; a call takes at most 10 s, so nobody sends under a lease that is somebody else's.
- One thread decides, what is urgent first and among equals what was sent longest ago; several messages may be on their
  way at a time, of one card only one (`senders`). What is sent and how is in `steps`, the budget in `budget`. Who is
  asked to slow down waits as long as asked, only there (`waits`).
- What is over and waits for half a minute is as urgent as a change, so that a storm of changes cannot hold it up.
- However often it is woken, what it does besides sending takes at most a quarter of the processor from the intake.
- What fails is tried again, ever more slowly; what ended a day ago is given up.
- A card whose picture the chat does not take is shown without it (`pictures`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from bot.relay.budget import Budget
from bot.relay.lease import LEASE_SECONDS, Lease
from bot.relay.ports import Board, Chat, Spoken, in_english
from bot.relay.senders import Senders
from bot.relay.shown import Record
from bot.relay.steps import Errand, Step, Steps
from bot.relay.tally import Tally
from bot.relay.waits import POLL_SECONDS, Waits
from handlers.core.ports import Clock, Held, State
from handlers.core.words.errors import Problem
from handlers.core.words.postings import Posting

log = logging.getLogger(__name__)

DIRTY = "dirty:"
STEP_SECONDS, GAP_SECONDS, GAP_SHARE = 0.1, 0.05, 3.0
SOON_SECONDS = 0.02
GIVE_UP = timedelta(days=1)
AGED, CHANGED = timedelta(seconds=30), 2


class Relay:
    """A thread; `tick` is one pass of it."""

    def __init__(
        self,
        boards: Mapping[str, Board],
        state: State,
        chat: Chat,
        clock: Clock,
        *,
        senders: int = 1,
        spoken: Spoken = in_english,
    ) -> None:
        """`boards`: by the kind of what they show; jobs have the kind "". `senders`: how many messages may be on their
        way at a time. `spoken`: the tongue of a channel, or of who alone reads there."""
        self._boards, self._state, self._chat, self._clock = boards, state, chat, clock
        self._lease, self._term = Lease(state, clock), 0
        self._budget, self._waits, self.tally = Budget(clock, state), Waits(clock), Tally()
        self._steps = Steps(chat, clock, self._lease, self._budget, self._waits, self.tally, spoken)
        self._senders = Senders(senders)
        self._urgency: dict[str, int] = {}
        self._waiting: dict[str, datetime] = {}
        self._sent: set[str] = set()
        self._paid = 0.0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def wake(self) -> None:
        """Something changed: look now, not in a second."""
        self._waits.ring()

    def stop(self) -> None:
        """Finishes what it is sending, and lets another relay go on."""
        self._stopped.set()
        self._waits.ring()
        if self._thread.is_alive():
            self._thread.join(LEASE_SECONDS)
        if self._senders.finished(LEASE_SECONDS):
            self._guarded("lease", self._lease.release)

    def _run(self) -> None:
        while not self._stopped.is_set():
            began, self._paid = time.thread_time(), 0.0
            self._waits.begin()
            if not self._waits.blocked("state"):
                self._guarded("state", self._pass)
            # A storm wakes it hundreds of times a second. What was sent is paid for: the budget bounds it.
            took = time.thread_time() - began - self._paid
            self._stopped.wait(min(POLL_SECONDS, max(GAP_SECONDS, GAP_SHARE * took)))
            self._waits.sleep()

    def tick(self) -> float:
        """One pass over everything that changed; the seconds until there may be more to do. Raises OutsideError."""
        self._waits.begin()
        self._pass()
        self._senders.finished(LEASE_SECONDS)
        return max(SOON_SECONDS, self._waits.left())

    def _pass(self) -> None:
        if not self._lease.held():
            self._waiting.clear()
            return
        if self._term != self._lease.terms:
            self._budget.taken_over()
            self._term = self._lease.terms
        for name in self._ordered():
            if self._stopped.is_set() or not self._senders.room():
                break
            self._turn(name)
        self._budget.keep()
        self._waits.worked("state")

    def _ordered(self) -> list[str]:
        """What changed and is not on its way, in the order in which it may go."""
        names = [key.removeprefix(DIRTY) for key in self._state.keys(DIRTY)]
        names = [name for name in names if not self._senders.busy(name)]
        now = self._clock.now()
        for kind, board in self._boards.items():
            known = board.begin([_id(name) for name in names if _kind(name) == kind])
            self._urgency |= {f"{kind}.{each}" if kind else each: urgency for each, urgency in known.items()}
        for name in names:
            self._waiting.setdefault(name, now)
        return sorted(names, key=lambda each: (self._aged(each, now), self._steps.edited(each), self._waiting[each]))

    def _aged(self, name: str, now: datetime) -> int:
        """How urgent it is by now."""
        urgency = self._urgency.get(name, 0)
        return CHANGED if urgency > CHANGED and now - self._waiting.get(name, now) >= AGED else urgency

    def _turn(self, name: str) -> None:
        if self._waits.blocked(DIRTY + name) or self._steps.no_room(name):
            return
        began, was_sent = time.thread_time(), name in self._sent
        self._sent.discard(name)
        self._guarded(DIRTY + name, partial(self._show, name))
        if was_sent or name in self._sent:
            self._paid += time.thread_time() - began

    def _show(self, name: str) -> None:
        dirty = self._state.get(DIRTY + name)
        board = self._boards.get(_kind(name))
        if dirty is None or board is None:
            self._waiting.pop(name, None)
            return
        record = Record(self._state, name)
        posting = board.posting(_id(name), shown=record.visible)
        if posting is None or self._hopeless(name, posting):
            self._finish(name, posting, dirty)
            return
        self._urgency[name] = posting.urgency
        posting = replace(posting, urgency=self._aged(name, self._clock.now()))
        step = self._steps.next(name, posting, record)
        done = partial(self._done, name, board, posting, record, dirty)
        if isinstance(step, Step):
            done(step)
        else:
            self._sent.add(name)
            self._senders.send(name, partial(self._carry, name, step, done, _changes(dirty)))

    def _carry(self, name: str, errand: Errand, done: Callable[[Step], None], changes: int) -> None:
        """In a sender's thread."""

        def carried() -> None:
            stands = errand()
            self.tally.told(name, changes, messages=1)
            done(stands)
            self._waits.worked(DIRTY + name)

        self._guarded(DIRTY + name, carried)
        self._waits.no_later(STEP_SECONDS)

    def _done(self, name: str, board: Board, posting: Posting, record: Record, dirty: Held, step: Step) -> None:
        """What is left when the card stands like that: what changed since `dirty` is shown by another pass."""
        if step is Step.DONE:
            board.placed(_id(name), posting.channel, self._chat.address(record.shown.channel, record.shown.ts))
        if step is not Step.WAIT:
            self._finish(name, posting, dirty)

    def _finish(self, name: str, posting: Posting | None, dirty: Held) -> None:
        """Nothing is left to send, unless it changed meanwhile."""
        self.tally.told(name, _changes(dirty), messages=0)
        if self._state.delete_if(DIRTY + name, dirty.version):
            self.tally.right(name)
        self._waiting.pop(name, None)
        self._urgency.pop(name, None)
        self._waits.worked(DIRTY + name)
        self._steps.forget(name, ended=posting is None or posting.ended is not None)

    def _hopeless(self, name: str, posting: Posting) -> bool:
        old = posting.ended is not None and self._clock.now() - posting.ended > GIVE_UP
        if not (old and self._waits.failing(DIRTY + name)):
            return False
        log.error("%s: ended a day ago and still cannot be shown; given up", name)
        self.tally.lost += 1
        return True

    def _guarded(self, key: str, step: Callable[[], None]) -> None:
        """One card's trouble is not another's."""
        try:
            step()
        except Problem as problem:
            wait = getattr(problem, "retry_after_seconds", None)
            if wait is not None:
                self.tally.slowed()
            log.warning("%s: %s; again in %.0f s", key, problem, self._waits.failed(key, wait))
        except Exception:  # the loop's broad except: a fault in one card must not stop the others
            log.exception("%s: a fault; again in %.0f s", key, self._waits.failed(key, None))

    def oldest_unsent_seconds(self) -> float:
        """How long the oldest thing waits that this relay still has to show; 0 when there is nothing."""
        waiting = tuple(self._waiting.values())
        return max(0.0, (self._clock.now() - min(waiting)).total_seconds()) if waiting else 0.0


def _changes(dirty: Held) -> int:
    """How often the card changed since it was right, as `State.put_if` counts it."""
    return int(dirty.value) if dirty.value.isdigit() else 1


def _kind(name: str) -> str:
    return name.partition(".")[0] if "." in name else ""


def _id(name: str) -> str:
    return name.partition(".")[2] if "." in name else name
