"""Heads of the audit record in a channel: one message a day that is never edited, and the later ones in its thread."""

from __future__ import annotations

from datetime import timedelta

from bot.relay import Relay
from handlers.core.sealing.heads import HeadBoard, Heads
from handlers.core.sealing.seals import sealed
from sandbox.slack.server import LocalSlack
from tests.audit_chains import SIGNER, START
from tests.bot.test_relay import Stage, staged


def told(stage: Stage, size: int) -> bool:
    heads = Heads(stage.state, stage.clock, timedelta(minutes=1))
    return heads.tell(sealed("a" * 64, size, f"{size:064d}", START.isoformat(), SIGNER))


def test_later_heads_are_in_the_thread_and_the_message_stays_as_it_was_sent(server: LocalSlack) -> None:
    stage = staged(server)
    relay = Relay({"head": HeadBoard(stage.state, "C0OPS")}, stage.state, stage.chat, stage.clock)
    assert told(stage, 7)
    stage.settle(relay)
    [message] = stage.messages()
    for size in (9, 12):
        stage.clock.passed += 61
        assert told(stage, size)
        stage.settle(relay)
    [after] = stage.messages()
    assert f"--anchor 6:{7:064d}" in str(after["blocks"])
    assert after["blocks"] == message["blocks"]
    thread = stage.thread(message["ts"])
    assert [f"--anchor {size - 1}:{size:064d}" in text for size, text in zip((9, 12), thread, strict=True)] == [
        True
    ] * 2
    assert stage.calls("chat.update") == 0


def test_what_the_channel_took_is_known_and_what_it_did_not_take_is_not(server: LocalSlack) -> None:
    stage = staged(server)
    board = HeadBoard(stage.state, "C0OPS")
    relay = Relay({"head": board}, stage.state, stage.chat, stage.clock)
    assert board.newest("a" * 64) is None
    assert told(stage, 7)
    assert board.newest("a" * 64) is None, "it is only meant to be told"
    stage.settle(relay)
    first = board.newest("a" * 64)
    assert first is not None
    assert (first.size, first.address.startswith("http")) == (7, True)
    stage.clock.passed += 61
    assert told(stage, 9)
    stage.settle(relay)
    second = HeadBoard(stage.state, "C0OPS").newest("a" * 64)
    assert second is not None
    assert second.size == 9
