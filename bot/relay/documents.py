"""Files in a thread: the relay's rules for what carries no mark.

- Slack shows a file a moment after it was taken, so whether a lost upload arrived is looked at only after a while.
- What Slack does not take as a file is said in its place: no card goes elsewhere for it.
"""

from __future__ import annotations

from datetime import datetime

from bot.relay.ports import Snag
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.postings import Document
from handlers.core.words.text import Text

SEEN_SECONDS = 15.0


def unsettled(said: object, intent: str, now: datetime) -> float:
    """For how many seconds it is too early to look for a file that may be on its way."""
    if not isinstance(said, Document) or not intent:
        return 0.0
    return max(0.0, SEEN_SECONDS - (now - datetime.fromisoformat(intent)).total_seconds())


def instead(document: Document, problem: Problem) -> Text | None:
    """What is said in the place of a file that is not wanted; None when it may be tried again."""
    final = isinstance(problem, OutsideError) and (problem.permanent or (isinstance(problem, Snag) and problem.refused))
    if not final and not isinstance(problem, Refusal):
        return None
    return Text("{title} could not be put here as a file: {why}", title=document.title, why=problem.text)
