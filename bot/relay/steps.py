"""Steps: what is the next thing to send about one card, and the sending of it.

- `next` decides, on the relay's own thread, and takes from the budget: whoever it asks first goes first.
- What it decides is an errand. An errand sends at most one message, under the lease, and writes down what became of it.
- Intent before post: `card:<name>` says that a message is about to be sent, the message carries the same mark, and
  after a crash or a lost answer the chat is asked for the mark before anything is sent again.
- Where a card goes when its message is gone, or may not be there, is decided in `places`.
- A card that waits for room is not asked again what it says before there is some.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from functools import partial

from bot.relay import places
from bot.relay.budget import Budget
from bot.relay.documents import instead, unsettled
from bot.relay.lease import Lease
from bot.relay.pictures import Pictures
from bot.relay.ports import Chat, Snag, Spoken, in_english
from bot.relay.shown import Record
from bot.relay.tally import Tally
from bot.relay.waits import Waits
from handlers.core.ports import Clock
from handlers.core.words.cards import Card
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.postings import Document, Posting
from handlers.core.words.text import Text
from handlers.core.words.tongues import Tongue

log = logging.getLogger(__name__)

EDIT_SECONDS, END_SECONDS = 3.0, 1.0
LATE = timedelta(minutes=2)
EDITS = "edit"
Said = Card | Text | Document


class Step(Enum):
    """The card is shown as it should be; there is more to do, later; nothing more may be sent about it."""

    DONE = "done"
    WAIT = "wait"
    GIVEN_UP = "given up"


Errand = Callable[[], Step]
"""Sends something, and says how the card stands then."""


class Steps:
    """See the module. `next` and `no_room` are for one thread; errands of several cards run beside each other."""

    def __init__(
        self,
        chat: Chat,
        clock: Clock,
        lease: Lease,
        budget: Budget,
        waits: Waits,
        tally: Tally,
        spoken: Spoken = in_english,
    ) -> None:
        self._chat, self._clock, self._lease, self._spoken = chat, clock, lease, spoken
        self._budget, self._waits, self._tally = budget, waits, tally
        self._edited: dict[str, float] = {}
        self._short: dict[str, Callable[[], float]] = {}
        self._drawn: dict[str, tuple[Card, str, str]] = {}
        self._pictures = Pictures(clock)
        self._instead: dict[str, Text] = {}

    def edited(self, name: str) -> float:
        """When this card was sent last."""
        return self._edited.get(name, 0.0)

    def forget(self, name: str, *, ended: bool) -> None:
        """Nothing is left to send; `ended`: and nothing more is expected."""
        self._short.pop(name, None)
        self._drawn.pop(name, None)
        if ended:
            self._edited.pop(name, None)
            self._pictures.forget(name)

    def no_room(self, name: str) -> bool:
        """Whether the card was waiting for the budget, and has to wait still."""
        wait = self._short.get(name)
        if wait is not None and self._waits.short(wait()):
            return True
        self._short.pop(name, None)
        return False

    def next(self, name: str, posting: Posting, record: Record) -> Step | Errand:
        """What is to be done now."""
        record.aim(posting, self._clock.now())
        shown = record.shown
        card = self._pictures.allowed(name, places.explained(posting.card, shown))
        tongue = self._tongue(posting, record)
        digest = self._digest(name, card, tongue)
        if not shown.ts:
            send = partial(self._post, name, posting, record, card, digest, tongue)
            if not self._may_post(name, shown.channel):
                return Step.WAIT
        elif shown.digest != digest:
            send = partial(self._edit, name, record, card, digest, tongue)
            if not self._may_edit(name, posting):
                return Step.WAIT
        elif shown.notes < posting.told:
            number = max(shown.notes, posting.notes_before)
            note, mark = posting.notes[number - posting.notes_before], f"{name}/{shown.message}/{number}"
            send = partial(self._note, record, note, number, mark, tongue)
            early = unsettled(self._instead.get(mark, note), shown.intent, self._clock.now())
            if self._waits.short(early) or not self._may_post(name, shown.channel):
                return Step.WAIT
        else:
            return Step.WAIT if self._waits.short(self._pictures.wait(name, posting.card)) else Step.DONE
        return partial(self._tried, name, posting, record, card, digest, send)

    def _tongue(self, posting: Posting, record: Record) -> Tongue:
        alone = posting.person if record.shown.channel != posting.channel else ""
        return self._spoken(record.shown.channel, alone)

    def _digest(self, name: str, card: Card, tongue: Tongue) -> str:
        """A card that says the same need not be drawn again to see that it does."""
        known = self._drawn.get(name)
        if known is None or known[:2] != (card, tongue.code):
            self._drawn[name] = known = (card, tongue.code, self._chat.digest(card, tongue))
        return known[2]

    def _may_post(self, name: str, channel: str) -> bool:
        if self._waits.blocked(_lane(channel)):
            return False
        if self._waits.short(self._budget.take_post(channel)):
            self._short[name] = partial(self._budget.post_in, channel)
            return False
        return True

    def _may_edit(self, name: str, posting: Posting) -> bool:
        pause = END_SECONDS if posting.urgency == 0 else EDIT_SECONDS
        now = self._clock.monotonic()
        if name in self._edited and self._waits.short(self._edited[name] + pause - now):
            return False
        if self._waits.blocked(EDITS):
            return False
        if self._waits.short(self._budget.take_edit(posting.urgency)):
            self._short[name] = partial(self._budget.edit_in, 0)
            return False
        self._edited[name] = now
        return True

    # -- errands -------------------------------------------------------------------------------------------------

    def _tried(
        self, name: str, posting: Posting, record: Record, card: Card, digest: str, send: Callable[[], None]
    ) -> Step:
        try:
            send()
        except Refusal as refusal:
            places.move(posting, record, refusal.text, self._chat.direct)
        except OutsideError as error:
            if self._pictures.refused(name, card, error):
                self._edited.pop(name, None)
                return Step.WAIT  # at once again, without it
            if not (isinstance(error, Snag) and error.gone):
                raise
            shown = record.shown
            closed = self._chat.address(shown.channel, shown.ts) if error.closed else None
            return Step.GIVEN_UP if places.follow(posting, record, closed) else Step.WAIT
        shown = record.shown
        left = shown.digest != digest or shown.notes < posting.told or self._pictures.wait(name, posting.card)
        return Step.WAIT if left else Step.DONE

    def _post(self, name: str, posting: Posting, record: Record, card: Card, digest: str, tongue: Tongue) -> None:
        shown = record.shown
        mark = f"{name}.{shown.message}" if shown.message else name
        found = bool(shown.intent)
        ts = self._there(record, card, mark, None) if found else self._sent(record, card, mark, None, tongue)
        if ts is None:
            record.store(intent="")  # it never came: what it should say now may be something else, or nothing
            return
        late = self._late(posting)
        if posting.tells_late and not found and not shown.message:
            self._tally.arrived((self._clock.now() - posting.began).total_seconds())
        record.store(
            ts=ts,
            intent="",
            anew=False,
            digest="" if found or late else digest,
            adopted=found and record.fresh,
            late=late,
            notes=posting.told if posting.tells_late and not found else shown.notes,
        )
        self._edited[name] = self._clock.monotonic()

    def _note(self, record: Record, note: Text | Document, number: int, mark: str, tongue: Tongue) -> None:
        said, thread, shown = self._instead.get(mark, note), record.shown.ts, record.shown
        try:
            sought = shown.intent or shown.adopted
            if not sought or self._there(record, said, mark, thread) is None:
                self._sent(record, said, mark, thread, tongue)
        except Problem as problem:
            other = instead(note, problem) if isinstance(note, Document) and mark not in self._instead else None
            if other is None:
                raise
            log.warning("a file for a thread: %s", problem)
            self._instead[mark] = other
            return
        self._instead.pop(mark, None)
        record.store(intent="", notes=number + 1)

    def _edit(self, name: str, record: Record, card: Card, digest: str, tongue: Tongue) -> None:
        self._still_ours()
        self._tally.edited()
        try:
            self._chat.update(record.shown.channel, record.shown.ts, card, tongue)
        except OutsideError as error:
            if isinstance(error, Snag) and error.retry_after_seconds is not None:
                self._waits.hold_back(EDITS, error.retry_after_seconds)
            raise
        record.store(digest=digest)

    def _there(self, record: Record, said: Said, mark: str, thread: str | None) -> str | None:
        """The id of a message that may have been sent before; None: it was not."""
        shown = record.shown
        near = datetime.fromisoformat(shown.intent) if shown.intent else self._clock.now()
        return self._found(shown.channel, said, mark, near, thread)

    def _sent(self, record: Record, said: Said, mark: str, thread: str | None, tongue: Tongue) -> str:
        """The new message's id."""
        shown = record.shown
        record.store(intent=self._clock.now().isoformat())
        self._still_ours()
        self._tally.posted()
        try:
            if isinstance(said, Document):
                self._chat.attach(shown.channel, tongue.said(said), thread or "")
                return ""
            return self._chat.post(shown.channel, said, mark, thread, tongue)
        except Problem as problem:
            if isinstance(problem, Snag) and problem.retry_after_seconds is not None:
                self._waits.hold_back(_lane(shown.channel), problem.retry_after_seconds)
            if not (isinstance(problem, Snag) and problem.ambiguous):
                record.store(intent="")
            raise

    def _found(self, channel: str, said: Said, mark: str, near: datetime, thread: str | None) -> str | None:
        try:
            if isinstance(said, Document):
                return self._chat.attached(channel, said.name, near, thread or "")
            return self._chat.find(channel, mark, near, thread)
        except Refusal:
            return None  # where it may not read, it could not have written
        except OutsideError as error:
            if not error.permanent:
                raise
            log.error("the chat cannot be searched, so a message may appear twice: %s", error)  # noqa: TRY400
            return None

    def _late(self, posting: Posting) -> int:
        passed = self._clock.now() - posting.began
        return round(passed.total_seconds()) if posting.tells_late and passed > LATE else 0

    def _still_ours(self) -> None:
        if not self._lease.held():
            raise OutsideError(Text("Another relay is at work."))


def _lane(channel: str) -> str:
    return f"post {channel}"
