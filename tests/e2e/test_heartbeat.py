"""The bot as it is run is heard outside while it is well, and no longer when its Redis is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.request import urlopen

import pytest

from sandbox.demo.stage import Stage
from tests.conftest import needs

PERIOD = 10.0


@pytest.fixture
def heard() -> Iterator[tuple[str, list[float]]]:
    times = list[float]()

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            times.append(time.monotonic())
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the base class's name
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/key", times
    server.shutdown()
    server.server_close()


@pytest.mark.timeout(120)
def test_it_is_heard_while_it_is_well_and_not_without_redis(heard: tuple[str, list[float]]) -> None:
    for part in ("mongod", "redis-server"):
        needs(part)
    url, times = heard
    with Stage(more={"HEARTBEAT_URL": url, "HEARTBEAT_SECONDS": f"{PERIOD:.0f}"}, planted=False) as stage:
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
