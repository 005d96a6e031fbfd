"""The bot as it is run is heard outside while it is well, and no longer when its Redis is away."""

from __future__ import annotations

import time
from urllib.request import urlopen

import pytest

from sandbox.demo.stage import Stage
from tests.conftest import needs
from tests.outside import Outside

PERIOD = 10.0


@pytest.mark.timeout(120)
def test_it_is_heard_while_it_is_well_and_not_without_redis() -> None:
    for part in ("mongod", "redis-server"):
        needs(part)
    period = f"{PERIOD:.0f}"
    with (
        Outside() as outside,
        Stage(more={"HEARTBEAT_URL": outside.url, "HEARTBEAT_SECONDS": period}, planted=False) as stage,
    ):
        times = outside.times
        stage.slack.person("U0SARA").wait_for(lambda: times, 3 * PERIOD, "a heartbeat")
        with urlopen(f"http://127.0.0.1:{stage.bot.port}/metrics", timeout=10) as answer:
            assert b"\nnegahban_heartbeat_age_seconds " in answer.read()
        stage.redis.kill()
        gone = time.monotonic()
        stage.slack.person("U0SARA").wait_for(
            lambda: "no heartbeat: redis: " in stage.bot.log_tail() or None, 3 * PERIOD, "what is wrong"
        )
        time.sleep(PERIOD + 2)
        assert [each for each in times if each > gone] == []
        stage.redis.restart()
        stage.slack.person("U0SARA").wait_for(lambda: times[-1] > gone or None, 4 * PERIOD, "it again")
