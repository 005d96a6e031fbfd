"""Several messages on their way at a time: never two of one card, never more than may be, the worst first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from bot.adapters.clock import SystemClock
from bot.relay import Relay
from bot.relay.senders import Senders
from bot.slack.chat import Chat, slack_client
from handlers.core.words.cards import Card
from handlers.core.words.postings import Posting
from handlers.core.words.text import Text
from handlers.core.words.tongues import ENGLISH, Tongue
from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import HandClock
from tests.fakes import MemoryState

CHANNELS = ("C0OPS", "C0ALERTS", "C0AUDIT")
SOON = 10.0


class HeldChat(Chat):
    """A chat whose messages wait at a gate."""

    def __init__(self, slack: LocalSlack) -> None:
        super().__init__(slack_client(slack.bot_token, slack.api_url))
        self.gate = threading.Event()
        self.begun = threading.Semaphore(0)
        self.together = 0
        self.most = 0
        self._lock = threading.Lock()

    def post(
        self, channel: str, said: Card | Text, mark: str, thread: str | None = None, tongue: Tongue = ENGLISH
    ) -> str:
        with self._lock:
            self.together += 1
            self.most = max(self.most, self.together)
        self.begun.release()
        try:
            assert self.gate.wait(SOON)
            return super().post(channel, said, mark, thread, tongue)
        finally:
            with self._lock:
                self.together -= 1


@dataclass
class Many:
    """A board of things, each with its words, channel and urgency."""

    state: MemoryState
    things: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def says(self, name: str, words: str, channel: str = "C0OPS", urgency: int = 1) -> None:
        self.things[name] = (words, channel, urgency)
        held = self.state.get(f"dirty:thing.{name}")
        assert self.state.put_if(f"dirty:thing.{name}", b"", None if held is None else held.version)

    def placed(self, name: str, channel: str, address: str) -> None:
        self.places[name] = address

    def begin(self, names: Sequence[str]) -> Mapping[str, int]:
        return {name: self.things[name][2] for name in names}

    def posting(self, name: str, *, shown: bool) -> Posting | None:
        self.asked.append(name)
        words, channel, urgency = self.things[name]
        return Posting(channel, Card(Text("{words}", words=words)), datetime.now(UTC), urgency=urgency)


@dataclass
class Stage:
    """A local Slack, a board, and a chat with a gate."""

    slack: LocalSlack
    state: MemoryState
    board: Many
    chat: HeldChat

    def relay(self, senders: int) -> Relay:
        return Relay({"thing": self.board}, self.state, self.chat, SystemClock(), senders=senders)

    def said(self, channel: str = "C0OPS") -> list[str]:
        return [each["text"] for each in self.slack.person("U0SARA").messages(channel)]

    def quiet(self) -> bool:
        return until(lambda: not self.state.keys("dirty:"))


def until(true: Callable[[], bool]) -> bool:
    """Whether it became true soon."""
    waiting = threading.Event()
    return any(true() or waiting.wait(0.02) for _ in range(int(SOON / 0.02)))


@pytest.fixture
def stage(server: LocalSlack) -> Iterator[Stage]:
    server.reset()
    state = MemoryState(HandClock())
    chat = HeldChat(server)
    yield Stage(server, state, Many(state), chat)
    chat.gate.set()


def test_messages_to_several_channels_are_on_their_way_together(stage: Stage) -> None:
    for channel in CHANNELS:
        stage.board.says(channel, "new", channel)
    relay = stage.relay(8)
    relay.start()
    assert all(stage.chat.begun.acquire(timeout=SOON) for _ in CHANNELS)
    assert stage.chat.together == 3
    stage.chat.gate.set()
    assert stage.quiet()
    relay.stop()
    assert [stage.said(channel) for channel in CHANNELS] == [["new"], ["new"], ["new"]]
    assert all(each.startswith("http") and "/archives/C0" in each for each in stage.board.places.values())
    assert set(stage.board.places) == set(CHANNELS)


def test_a_card_that_changes_while_its_message_is_on_its_way_gets_no_second_one(stage: Stage) -> None:
    stage.board.says("a", "one")
    relay = stage.relay(8)
    relay.start()
    assert stage.chat.begun.acquire(timeout=SOON)
    passes = len(stage.board.asked)
    stage.board.says("b", "other", "C0ALERTS")
    stage.board.says("a", "two")
    relay.wake()
    assert until(lambda: len(stage.board.asked) > passes), "another pass was made meanwhile"
    assert not stage.chat.begun.acquire(timeout=1.5) or stage.chat.together == 2
    assert stage.board.asked.count("a") == 1, "what is on its way is not asked about"
    stage.chat.gate.set()
    assert stage.quiet()
    relay.stop()
    assert stage.said() == ["two"]
    assert [each["method"] for each in stage.slack.log()].count("chat.postMessage") == 2


def test_no_more_than_may_be_are_on_their_way_and_the_rest_is_said_as_it_is_then(stage: Stage) -> None:
    for number, channel in enumerate(CHANNELS):
        stage.board.says(str(number), "old", channel)
    relay = stage.relay(2)
    relay.start()
    assert all(stage.chat.begun.acquire(timeout=SOON) for _ in range(2))
    [waiting] = {"0", "1", "2"} - set(stage.board.asked)
    stage.board.says(waiting, "newest", CHANNELS[int(waiting)])
    relay.wake()
    assert not stage.chat.begun.acquire(timeout=0.3)
    stage.chat.gate.set()
    assert stage.quiet()
    relay.stop()
    assert stage.chat.most == 2
    assert stage.said(CHANNELS[int(waiting)]) == ["newest"]
    assert "chat.update" not in [each["method"] for each in stage.slack.log()]


@pytest.mark.parametrize("senders", [1, 8])
def test_what_is_new_and_critical_takes_the_one_place_there_is_before_what_is_only_new(
    stage: Stage, senders: int
) -> None:
    stage.chat.gate.set()
    for number in range(8):
        stage.board.says(f"a{number}", "warning")
    stage.board.says("z", "critical", urgency=0)
    stage.relay(senders).tick()
    assert stage.said() == ["critical"]


def changed_all_the_time(stage: Stage, seconds: int, *, quiet: str) -> list[str]:
    """Three cards change twice a second in simulated time, and another once; the edits of that one."""
    clock = HandClock()
    stage.chat.gate.set()
    stage.slack.speed(1_000_000)
    relay = Relay({"thing": stage.board}, stage.state, stage.chat, clock)
    for number, channel in enumerate((*CHANNELS, CHANNELS[0])):
        stage.board.says("abcd"[number], "first", channel)
    while stage.state.keys("dirty:"):
        clock.passed += max(0.2, relay.tick())
    end, turn = clock.passed + seconds, 0
    while clock.passed < end:
        turn += 1
        if turn == seconds:  # half of the time is over, and the edits of a minute are used up
            stage.board.says("d", quiet, CHANNELS[0], urgency=3)
        for name, channel in zip("abc", CHANNELS, strict=True):
            stage.board.says(name, f"turn {turn}", channel, urgency=2)
        relay.tick()
        clock.passed += 0.5
    return [each["args"]["text"] for each in stage.slack.log() if each["method"] == "chat.update"]


def test_what_is_over_is_said_although_other_cards_use_up_all_the_edits_for_changes(stage: Stage) -> None:
    edits = changed_all_the_time(stage, 150, quiet="it is over")
    assert edits.count("it is over") == 1
    assert len(edits) > 60, "the others were at their limit"


def test_what_waits_for_room_is_not_asked_again_before_there_is_some(stage: Stage) -> None:
    stage.chat.gate.set()
    for number in range(3):
        stage.board.says(f"a{number}", "new")
    relay = stage.relay(8)
    for _ in range(5):
        relay.tick()
    assert stage.board.asked.count("a2") == 1


def test_the_right_to_act_is_given_back_only_when_nothing_is_on_its_way(stage: Stage) -> None:
    stage.board.says("a", "one")
    relay = stage.relay(8)
    relay.start()
    assert stage.chat.begun.acquire(timeout=SOON)
    stopping = threading.Thread(target=relay.stop)
    stopping.start()
    stopping.join(0.5)
    assert stage.state.get("relay") is not None
    stage.chat.gate.set()
    stopping.join(SOON)
    assert stage.state.get("relay") is None
    assert stage.said() == ["one"]


def test_no_thread_stays_when_nothing_is_sent(stage: Stage) -> None:
    for channel in CHANNELS:
        stage.board.says(channel, "new", channel)
    stage.chat.gate.set()
    relay = stage.relay(8)
    relay.tick()
    assert stage.chat.most >= 1
    assert until(lambda: not any(each.name == "sender" for each in threading.enumerate()))


def test_senders_count_what_is_on_its_way() -> None:
    senders, gate = Senders(2), threading.Event()
    senders.send("a", lambda: assert_set(gate))
    senders.send("b", lambda: assert_set(gate))
    assert (senders.room(), senders.busy("a"), senders.busy("c")) == (False, True, False)
    assert not senders.finished(0.05)
    gate.set()
    assert senders.finished(SOON)
    assert (senders.room(), senders.busy("a")) == (True, False)


def assert_set(gate: threading.Event) -> None:
    assert gate.wait(SOON)
