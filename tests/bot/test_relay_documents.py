"""A file in a thread: there once, whatever breaks, and said in words where Slack takes no files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from bot.relay import Relay
from bot.relay.documents import SEEN_SECONDS
from handlers.core.words.cards import Card, Tone
from handlers.core.words.postings import Document, Posting
from handlers.core.words.text import Text
from sandbox.slack.server import LocalSlack
from tests.bot.test_relay import Crashing, Killed, Stage, staged

FILE = Document("it-run1-1.md", Text("Report of <!channel>"), "# It\n\n- <!channel> نسخه\n")
COMPLETE = "files.completeUploadExternal"


class Told:
    """One thing with a note, a file, and a note."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def begin(self, names: Sequence[str]) -> Mapping[str, int]:
        """Nothing."""
        return {}

    def placed(self, name: str, channel: str, address: str) -> None:
        """Nobody asks."""

    def posting(self, name: str, *, shown: bool) -> Posting:
        card = Card(Text("It"), Tone.GOOD)
        return Posting("C0OPS", card, self.stage.clock.now(), (Text("before"), FILE, Text("after")))


def told(stage: Stage, state: Any = None, chat: Any = None) -> Relay:
    if not stage.state.keys("dirty:"):
        assert stage.state.put_if("dirty:run.run1", b"1", None)
    return Relay({"run": Told(stage)}, state or stage.state, chat or stage.chat, stage.clock)


def lived(stage: Stage, relay: Relay) -> float:
    began = stage.clock.passed
    stage.settle(relay, 200)
    return stage.clock.passed - began


def thread(stage: Stage) -> list[str]:
    """What is in the thread, a file by its name."""
    (message,) = stage.messages()
    replies = stage.slack.person("U0SARA").thread("C0OPS", message["ts"])[1:]
    return [each["files"][0]["name"] if each.get("files") else each["text"] for each in replies]


WHOLE = ["before", FILE.name, "after"]


def test_a_file_is_put_into_the_thread_in_its_place_and_is_what_it_was(server: LocalSlack) -> None:
    stage = staged(server)
    lived(stage, told(stage))
    assert thread(stage) == WHOLE
    assert stage.calls(COMPLETE) == 1


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        *((method, kind) for method in ("files.getUploadURLExternal", "upload", COMPLETE)
          for kind in ("500", "429", "lost_answer")),
        ("files.getUploadURLExternal", "error:internal_error"),
        (COMPLETE, "error:internal_error"),
    ],
)  # fmt: skip
def test_a_failure_on_the_way_ends_in_one_file(server: LocalSlack, method: str, kind: str) -> None:
    stage = staged(server)
    server.fault(method, kind)
    lived(stage, told(stage))
    assert thread(stage) == WHOLE


def test_a_lost_answer_is_looked_for_only_when_slack_had_time_to_show_the_file(server: LocalSlack) -> None:
    stage = staged(server)
    server.fault(COMPLETE, "lost_answer")
    assert lived(stage, told(stage)) >= SEEN_SECONDS
    assert thread(stage) == WHOLE
    assert stage.calls(COMPLETE) == 1


@pytest.mark.parametrize("kind", ["error:missing_scope", "error:file_uploads_disabled"])
def test_where_slack_takes_no_files_the_thread_says_so_and_goes_on(server: LocalSlack, kind: str) -> None:
    stage = staged(server)
    server.fault(COMPLETE, kind, times=None)
    lived(stage, told(stage))
    server.clear_faults()
    first, said, last = thread(stage)
    assert (first, last) == ("before", "after")
    assert "could not be put here as a file" in said
    assert "&lt;!channel&gt;" in said or "<!channel>" not in said


@pytest.mark.parametrize("part", ["state", "chat"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_call_the_next_relay_leaves_one_file(server: LocalSlack, part: str, after: bool) -> None:
    crashes = 0
    for at in range(1, 30):
        stage = staged(server)
        state: Any = Crashing(stage.state, at, Killed(), after=after) if part == "state" else None
        chat: Any = Crashing(stage.chat, at, Killed(), after=after) if part == "chat" else None
        try:
            lived(stage, told(stage, state, chat))
        except Killed:
            crashes += 1
            stage.clock.passed += 16
            lived(stage, told(stage))
        assert thread(stage) == WHOLE, (part, at)
        if crashes < at:
            break
    assert crashes >= 4
