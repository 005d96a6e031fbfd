"""Pictures in cards, against the local Slack: shown when they can be, and never in the way of what a card says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from bot.relay import Relay
from bot.relay.pictures import Pictures
from bot.slack.chat import Chat
from bot.slack.snags import Snag
from handlers.core.words.cards import Card, Picture
from handlers.core.words.errors import OutsideError
from handlers.core.words.postings import Posting
from handlers.core.words.text import Text
from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import JSON, MANIFEST, HandClock, new_chat
from tests.fakes import MemoryState

PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 40
ALT = Text("A plot of what {name} measured", name="Slow <!channel>")
NAME = "alert.a"


@dataclass
class OneCard:
    """A board that shows one card."""

    state: MemoryState
    card: Card = field(default_factory=lambda: Card(Text("Slow answers")))

    def begin(self, names: object) -> dict[str, int]:
        """Nothing to do."""
        return {}

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        return Posting("C0OPS", self.card, datetime.now(UTC))

    def placed(self, name: str, channel: str, address: str) -> None:
        """Nobody asks."""

    def says(self, words: str, file: str = "") -> None:
        self.card = replace(Card(Text("{words}", words=words)), picture=Picture(file, ALT) if file else None)
        held = self.state.get(f"dirty:{NAME}")
        assert self.state.put_if(f"dirty:{NAME}", b"", None if held is None else held.version)


@dataclass
class Stage:
    """A relay with one card, and a Slack that takes a minute of its own time to process a file."""

    slack: LocalSlack
    clock: HandClock
    state: MemoryState
    board: OneCard
    chat: Chat
    relay: Relay

    def file(self) -> str:
        return self.chat.upload("plot.png", PNG, ALT)

    def passes(self, seconds: float) -> None:
        until = self.clock.passed + seconds
        while self.clock.passed < until:
            self.clock.passed += self.relay.tick()

    def message(self) -> JSON:
        (message,) = self.slack.person("U0SARA").messages("C0OPS")
        return message

    def pictures(self) -> list[JSON]:
        return [each for each in self.message()["blocks"] if each["type"] == "image"]

    def calls(self, method: str) -> int:
        return sum(call["method"] == method for call in self.slack.log())


@pytest.fixture(scope="module")
def server() -> Iterator[LocalSlack]:
    with LocalSlack(manifest=MANIFEST, rate_limits=False, file_delay=60) as slack:
        yield slack


@pytest.fixture
def stage(server: LocalSlack) -> Stage:
    server.reset()
    server.clear_faults()
    clock = HandClock()
    state = MemoryState(clock)
    board, chat = OneCard(state), new_chat(server)
    return Stage(server, clock, state, board, chat, Relay({"alert": board}, state, chat, clock))


def test_a_picture_comes_into_the_message_that_is_there(stage: Stage) -> None:
    stage.board.says("Slow")
    stage.passes(1)
    file = stage.file()
    stage.slack.advance(61)
    stage.board.says("Slow", file)
    stage.passes(5)
    (image,) = stage.pictures()
    assert image["slack_file"] == {"id": file}
    assert image["alt_text"] == str(ALT)
    assert stage.state.keys("dirty:") == ()


def test_a_picture_that_is_not_ready_delays_no_words_and_comes_later(stage: Stage) -> None:
    stage.board.says("Slow")
    stage.passes(1)
    stage.board.says("Slower", stage.file())
    stage.passes(3.5)
    assert (stage.message()["text"], stage.pictures()) == ("Slower", [])
    stage.slack.advance(61)
    stage.passes(20)
    assert len(stage.pictures()) == 1
    assert stage.state.keys("dirty:") == ()


def test_a_new_message_with_a_refused_picture_is_posted_without(stage: Stage) -> None:
    stage.board.says("Slow", stage.file())
    stage.passes(3)
    assert (stage.message()["text"], stage.pictures()) == ("Slow", [])


def test_a_picture_that_is_never_taken_is_given_up_and_another_is_tried(stage: Stage) -> None:
    stage.board.says("Slow", "F0NOSUCH")
    stage.passes(60)
    assert (stage.message()["text"], stage.pictures()) == ("Slow", [])
    assert stage.state.keys("dirty:") == ()
    assert stage.calls("chat.update") <= 6
    file = stage.file()
    stage.slack.advance(61)
    stage.board.says("Slow", file)
    stage.passes(5)
    assert len(stage.pictures()) == 1


def test_a_picture_that_makes_slack_fail_is_left_out_after_three_tries(stage: Stage) -> None:
    stage.board.says("Slow")
    stage.passes(1)
    file = stage.file()
    stage.slack.advance(61)
    stage.slack.fault("chat.update", "500", times=3)
    stage.board.says("Slower", file)
    before = stage.calls("chat.update")
    while stage.message()["text"] != "Slower":
        stage.clock.passed += stage.relay.tick()
    assert stage.calls("chat.update") == before + 4
    assert stage.pictures() == []
    stage.passes(10)
    assert len(stage.pictures()) == 1


def test_only_what_a_picture_may_cause_counts_against_it() -> None:
    card = Card(Text("Slow"), picture=Picture("F1", ALT))
    waits, gone = Snag(Text("Wait."), retry_after_seconds=2), Snag(Text("Gone."), gone=True)
    pictures = Pictures(HandClock())
    assert not any(pictures.refused(NAME, card, error) for error in (waits, gone) * 10)
    assert not any(pictures.refused(NAME, replace(card, picture=None), Snag(Text("No."), refused=True)) for _ in "123")
    assert pictures.allowed(NAME, card) == card
    assert [pictures.refused(NAME, card, OutsideError(Text("?"))) for _ in "123"] == [False, False, True]
    assert pictures.allowed(NAME, card).picture is None
    assert pictures.allowed(NAME, replace(card, picture=Picture("F2", ALT))).picture is not None
    assert pictures.allowed("alert.b", card).picture is not None


def test_while_slack_only_asks_to_wait_the_picture_is_not_blamed(stage: Stage) -> None:
    stage.board.says("Slow")
    stage.passes(1)
    file = stage.file()
    stage.slack.advance(61)
    stage.slack.fault("chat.update", "429", times=4, retry_after=2)
    stage.board.says("Slower", file)
    while stage.message()["text"] != "Slower":
        stage.clock.passed += stage.relay.tick()
    assert len(stage.pictures()) == 1
