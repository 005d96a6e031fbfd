"""Alerts while the bot is killed, Slack errs and Redis restarts: every group keeps its truth, in one card, once."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.chaos.relaying import Floor, Sender, fault_of, floor, marks, meanwhile, peers
from tests.conftest import needs
from tests.depth import EVERY_POINT, FULL

GROUPS, KILLS = (200, 100) if FULL else (50, 8)
OWN, STORM = 100, 5
SEED = 20


pytestmark = pytest.mark.skipif(not EVERY_POINT, reason="a minute of processes that are killed: `make chaos` runs it")


@pytest.fixture(autouse=True)
def programs() -> None:
    needs("redis-server")


def told(name: str, troubles: int, figures: dict[str, int], **more: int) -> None:
    """Figures for whoever runs this with -rA or -s, and for docs/chaos-results.md. `troubles`: kills and faults."""
    print(f"{name}: {troubles} faults; {figures | more}")


def once_each(stage: Floor) -> None:
    doubled = {mark: count for mark, count in marks(stage.slack).items() if count > 1}
    assert doubled == {}, "a message was posted more than once"


@pytest.mark.parametrize("storm", [OWN, STORM], ids=["own cards", "a storm"])
def test_a_bot_that_is_killed_again_and_again_loses_and_doubles_nothing(storm: int) -> None:
    draw, kills = random.Random(SEED + storm), 0
    with floor(storm=storm) as stage:
        sender, stop = Sender([stage.bots[0].port]), threading.Event()

        def flow() -> None:
            alerts = random.Random(SEED)
            sender.play(GROUPS, alerts)
            while not stop.is_set():
                sender.change(alerts)
                stage.look()
                time.sleep(0.1)

        with ThreadPoolExecutor(1) as pool:
            flowing = pool.submit(flow)
            try:
                for _ in range(KILLS):
                    time.sleep(0.7 * draw.random())
                    stage.bots[0].kill()
                    stage.free_the_lease()
                    stage.bots[0].restart()
                    kills += 1
            finally:
                stop.set()
            flowing.result(120)
        figures = stage.settled(sender)
        once_each(stage)
        told("killed", kills, figures)
        assert kills == KILLS


def test_lost_answers_double_nothing() -> None:
    with floor(storm=OWN) as stage:
        sender, draw = Sender([stage.bots[0].port]), random.Random(SEED)

        def lose(stop: threading.Event) -> None:
            """Every tenth call of each kind, and the first post of all."""
            lost = dict.fromkeys(("chat.postMessage", "chat.update"), -10)
            while not stop.wait(0.02):
                calls = [each["method"] for each in stage.slack.log()]
                for method, last in lost.items():
                    if calls.count(method) - last >= 10:
                        stage.slack.fault(method, "lost_answer")
                        lost[method] = calls.count(method)

        with meanwhile(lose):
            sender.play(GROUPS, draw)
        stage.slack.clear_faults()
        figures = stage.settled(sender)
        lost = fault_of(stage.slack, "lost_answer")
        told("lost answers", lost, figures)
        once_each(stage)
        assert lost >= 2


def test_a_slack_that_slows_us_down_and_then_fails_only_delays() -> None:
    with floor(storm=OWN) as stage:
        sender, draw = Sender([stage.bots[0].port]), random.Random(SEED)
        for part, kind in enumerate(("429", "503", "500")):
            stage.slack.fault("*", kind, times=None)
            for number in range(part * GROUPS // 3, (part + 1) * GROUPS // 3):
                sender.send(f"Group{number:03d}")
                sender.change(draw)
                time.sleep(0.03)
            time.sleep(0.7)
            stage.slack.clear_faults()
            time.sleep(0.2)
        figures = stage.settled(sender)
        met = {f"met_{kind}": fault_of(stage.slack, kind) for kind in ("429", "503", "500")}
        told("a troubled Slack", sum(met.values()), figures, **met)
        once_each(stage)
        assert all(met.values())


def test_while_redis_is_away_webhooks_are_refused_quickly_and_nothing_is_lost() -> None:
    with floor(storm=OWN) as stage:
        sender, draw = Sender([stage.bots[0].port]), random.Random(SEED)
        sender.play(GROUPS // 2, draw)

        def away(_: threading.Event) -> None:
            os.kill(stage.redis.pid, signal.SIGSTOP)  # it takes connections and answers nobody
            time.sleep(1)
            stage.redis.kill()
            time.sleep(1)
            stage.redis.restart()

        with meanwhile(away):
            time.sleep(0.1)
            for number in range(GROUPS // 2, GROUPS):
                sender.send(f"Group{number:03d}")
                sender.change(draw)
        refused = [seconds for status, seconds in sender.answers if status == 503]
        figures = stage.settled(sender)
        told(
            "without Redis",
            len(refused),
            figures,
            refused=len(refused),
            slowest_ms=round(1000 * max(refused, default=0)),
        )
        once_each(stage)
        assert {status for status, _ in sender.answers} == {200, 503}
        assert refused
        assert max(refused) < 1.5


def test_two_bots_that_are_told_the_same_at_the_same_time_show_it_once() -> None:
    with floor(storm=OWN, bots=2) as stage:
        sender, draw = Sender([bot.port for bot in stage.bots]), random.Random(SEED)
        sender.play(GROUPS, draw)
        figures = stage.settled(sender)
        told("two bots", 1, figures)
        once_each(stage)
        assert {status for status, _ in sender.answers} == {200}


def test_two_alertmanagers_that_tell_the_same_are_one_truth_while_both_bots_are_killed() -> None:
    """Real ones, which repeat by their own rules what a dead bot did not take."""
    needs("alertmanager")
    draw, kills = random.Random(SEED), 0
    with floor(storm=OWN, bots=2) as stage, peers(stage.bots) as both:

        def flow() -> None:
            alerts = random.Random(SEED)
            for number in range(GROUPS):
                both.send(f"Group{number:03d}")
                if alerts.random() < 0.5:
                    both.send(*both.truth.changed(alerts))
                time.sleep(0.03)

        with ThreadPoolExecutor(1) as pool:
            flowing = pool.submit(flow)
            while not flowing.done():
                time.sleep(2 * draw.random())
                bot = draw.choice(stage.bots)
                bot.kill()
                stage.free_the_lease()
                bot.restart()
                kills += 1
            flowing.result()
        figures = stage.settled(both)
        told("two Alertmanagers", kills, figures)
        once_each(stage)
        assert kills >= 1
