"""/audit: the newest entries first, narrowed as asked, and a chain that says whether it is whole."""

from __future__ import annotations

import pytest

from handlers.core.words.answers import Invocation
from handlers.core.words.audit import AuditEvent
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Refusal
from handlers.trail import TrailHandler, Wanted, wanted
from tests.fakes import someone
from tests.handlers.test_audit import chain

EVENTS = [
    AuditEvent("job.queued", "allow", someone("U0SARA"), "shop", "backup.now", facts={"job": "j1"}),
    AuditEvent("denied", "deny", someone("U0OMID"), "shop", "restore.run", facts={"reason": "no <!channel>"}),
    AuditEvent("job.started", "allow", someone("U0SARA"), "wiki", "restore.run", facts={"job": "j2"}),
    AuditEvent("audit.mended", "allow", None),
]
LINES = chain(EVENTS)


def asked(*words: str, lines: list[bytes] = LINES) -> Card:
    return TrailHandler(lambda: lines).ask(Invocation("audit", words, someone(), "C0OPS")).card


def test_the_newest_comes_first_and_says_who_what_and_on_what() -> None:
    card = asked()
    assert [str(each).split("*")[1] for each in card.lines] == ["audit.mended", "job.started", "denied", "job.queued"]
    assert "U0SARA" in str(card.lines[1])
    assert "restore.run" in str(card.lines[1])
    assert "wiki" in str(card.lines[1])


@pytest.mark.parametrize(
    ("words", "count"),
    [
        (("2",), 2),
        (("by", "U0SARA"), 2),
        (("by", "<@U0SARA|sara>"), 2),
        (("target", "shop"), 2),
        (("operation", "restore"), 2),
        (("denied",), 1),
        (("by", "U0SARA", "target", "wiki"), 1),
    ],
    ids=str,
)
def test_it_is_narrowed_as_asked(words: tuple[str, ...], count: int) -> None:
    assert len(asked(*words).lines) == count


def test_nothing_like_that_is_said_so() -> None:
    assert "No entry" in str(asked("by", "U0NOBODY").title)


def test_a_number_has_its_limits_and_an_unknown_word_is_refused() -> None:
    assert wanted(("9999",)) == Wanted(count=40)
    assert wanted(("0",)) == Wanted(count=1)
    with pytest.raises(Refusal, match="rm"):
        wanted(("rm",))


def test_verify_says_whether_the_chain_is_whole() -> None:
    assert asked("verify").tone is Tone.GOOD
    assert asked("verify", lines=[LINES[0], *LINES[2:]]).tone is Tone.BAD
    assert asked("verify", lines=[*LINES[:3], LINES[3][:-5]]).tone is Tone.WARNING


def test_a_damaged_entry_hides_no_other() -> None:
    assert len(asked(lines=[LINES[0], b"\xff\n", b"[]\n", LINES[2]]).lines) == 2
