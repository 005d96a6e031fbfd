"""Plots: a child asks and draws; whatever it meets, the bot gets a picture, nothing, or a plain sentence."""

from __future__ import annotations

import io
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from PIL import Image

from bot.adapters.plots import Plots
from bot.adapters.plots.series import moments
from handlers.core.alerts.plots import Curve, Panel
from handlers.core.words.errors import OutsideError
from sandbox.servers.ports import free_port
from sandbox.servers.prometheus import Prometheus
from tests.conftest import needs

NOW = datetime(2026, 11, 25, 12, 30, tzinfo=UTC)
ENDLESS = b'{"status": '
HOSTILE = "<!channel> $\\nosuch{$ {x} %s \u202eevil \x00 \ud800 \u0633\u0644\u0627\u0645 😀 " + "w" * 300


class Played(BaseHTTPRequestHandler):
    """A Prometheus that answers what it is told."""

    status = 200
    body = b""
    headers_more: tuple[tuple[str, str], ...] = ()
    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        self.asked.append((self.path, self.headers.get("Authorization", "")))
        self.send_response(self.status)
        endless = self.body is ENDLESS
        for name, value in (*self.headers_more, *(() if endless else (("Content-Length", str(len(self.body))),))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(self.body)
        with suppress(OSError):
            while endless:
                self.wfile.write(b" " * (1 << 20))

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@contextmanager
def played(status: int, body: bytes, *more: tuple[str, str]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    asked: list[tuple[str, str]] = []
    handler = type("Told", (Played,), {"status": status, "body": body, "headers_more": more, "asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def matrix(*series: tuple[dict[str, str], list[tuple[float, str]]]) -> bytes:
    result = [{"metric": labels, "values": points} for labels, points in series]
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", png[16:24])
    return width, height


def needs_limit() -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux limits the addresses of a process")


def is_alarm(colour: object) -> bool:
    return isinstance(colour, tuple) and abs(colour[0] - 0xC0) + abs(colour[1] - 0x1C) + abs(colour[2] - 0x28) < 30


def fails(plots: Plots) -> OutsideError:
    with pytest.raises(OutsideError) as raised:
        plots.plot("x", "title", NOW, None)
    return raised.value


def test_hostile_words_are_drawn_as_words_and_the_picture_stays_small() -> None:
    grid = moments(NOW.timestamp())
    noisy = [
        ({"instance": HOSTILE + str(number)}, [(each, str((each * 7919 * number) % 1013)) for each in grid])
        for number in range(1, 40)
    ]
    with played(200, matrix(*noisy)) as (address, _):
        picture = Plots(f"http://{address}").plot("x", HOSTILE, NOW, 0.8)
    assert picture is not None
    assert len(picture) < 200_000
    width, height = size(picture)
    assert 700 <= width <= 1200
    assert 400 <= height <= 1200


@pytest.mark.parametrize("value", ["0", "-1", "1e99", "-1e99", "1e-300", "5e-324"])
@pytest.mark.parametrize("threshold", [None, 0.0, 1e308, -5.0])
def test_any_number_can_be_drawn(value: str, threshold: float | None) -> None:
    from bot.adapters.plots import drawing, series
    from bot.adapters.plots.order import Order

    end = NOW.timestamp()
    found = series.shown([{"metric": {}, "values": [(end, value)]}], end)
    assert size(drawing.drawn(Order("http://x", "x_bytes", "t", end, threshold), found)) == (1200, 600)


@pytest.mark.parametrize("many", [1, 3, 30])
def test_the_curves_have_most_of_the_picture(many: int) -> None:
    from bot.adapters.plots import drawing, series
    from bot.adapters.plots.order import Order

    end = NOW.timestamp()
    wide = [(each, str(number)) for number, each in enumerate(moments(end))]
    found = series.shown([{"metric": {"n": f"{HOSTILE[:20]} {number}"}, "values": wide} for number in range(many)], end)
    png = drawing.drawn(Order("http://x", "x_bytes", "t", end, 40.0), found)
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    red = [at for at in range(1200) for row in range(picture.height) if is_alarm(picture.getpixel((at, row)))]
    assert max(red) - min(red) > 1000


@pytest.mark.parametrize("body", [matrix(), matrix(({"a": "b"}, [(NOW.timestamp(), "NaN")]))], ids=["none", "gaps"])
def test_where_nothing_was_measured_there_is_no_picture(body: bytes) -> None:
    with played(200, body) as (address, _):
        assert Plots(f"http://{address}").plot("x", "title", NOW, 0.8) is None


def test_the_hour_before_is_asked_for_with_the_credentials_of_the_address() -> None:
    with played(200, matrix()) as (address, asked):
        Plots(f"http://ops:s3cret@{address}/prefix/").plot("rate(x[1m])", "title", NOW, None)
    ((path, authorization),) = asked
    assert path.startswith(
        "/prefix/api/v1/query_range?query=rate%28x%5B1m%5D%29&start=1795606200&end=1795609800&step=30"
    )
    assert authorization.startswith("Basic ")


@pytest.mark.parametrize(
    ("status", "body", "words", "permanent"),
    [
        (400, b"{}", "does not understand", True),
        (422, b"{}", "does not understand", True),
        (401, b"", "does not let the bot ask", False),
        (503, b"", "does not answer", False),
        (404, b"nothing here", "is not Prometheus", False),
        (200, b"<html>", "is not Prometheus", False),
        (200, b"[1]", "is not Prometheus", False),
        (200, b'{"data":{"result":"x"}}', "is not Prometheus", False),
        (200, b'{"data":{"result":[{"metric":3}]}}', "is not Prometheus", False),
    ],
)
def test_what_goes_wrong_is_said_without_the_address(status: int, body: bytes, words: str, permanent: bool) -> None:
    with played(status, body) as (address, _):
        error = fails(Plots(f"http://ops:s3cret@{address}"))
    assert words in str(error)
    assert error.permanent is permanent
    assert "s3cret" not in f"{error!r} {error} {error.__cause__!r}"


def test_an_answer_without_an_end_ends_the_child_only() -> None:
    needs_limit()
    with played(200, ENDLESS) as (address, _):
        # Reading until the memory is full takes a busy machine longer than a card would wait.
        error = fails(Plots(f"http://{address}", limit_seconds=90))
    assert ("could not be drawn (" in str(error), error.permanent) == (True, False)


def test_a_redirect_is_not_followed() -> None:
    with played(200, matrix()) as (target, asked), played(302, b"", ("Location", f"http://{target}/")) as (address, _):
        assert "leads to another address" in str(fails(Plots(f"http://{address}")))
    assert asked == []


def test_a_prometheus_that_is_away_is_told_so() -> None:
    error = fails(Plots(f"http://127.0.0.1:{free_port()}"))
    assert ("does not answer" in str(error), error.permanent) == (True, False)


def child(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


def test_a_child_that_does_not_end_is_killed() -> None:
    error = fails(Plots("http://x", limit_seconds=0.3, child=child("import time; time.sleep(600)")))
    assert ("not drawn within" in str(error), error.permanent) == (True, False)


@pytest.mark.parametrize(
    "code",
    [
        "raise SystemExit(3)",
        "import os; os.kill(os.getpid(), 9)",
        "print('no picture')",
        "import sys; sys.stdout.buffer.write(b'\\x89PNG\\r\\n\\x1a\\n' + bytes(200_001))",
    ],
)
def test_a_child_that_does_not_draw_is_no_picture(code: str) -> None:
    assert "could not be drawn" in str(fails(Plots("http://x", child=child(code))))


def test_the_child_knows_no_secret_of_the_bot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-secret")
    told = "import os, sys; sys.exit(7 if any('secret' in each for each in os.environ.values()) else 0)"
    assert Plots("http://x", child=child(told)).plot("x", "t", NOW, None) is None


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        Plots("http://x").plot("x", "t", NOW.replace(tzinfo=None), None)


def test_the_bots_own_process_loads_neither_library() -> None:
    heavy = "{'matplotlib', 'numpy', 'requests', 'prometheus_api_client'}"
    code = f"import sys, bot.wiring, bot.adapters.plots; sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], env={**os.environ}, check=False).returncode == 0


@pytest.mark.parametrize("part", ["prometheus", "newer-prometheus"])
def test_a_real_prometheus_is_plotted(part: str) -> None:
    needs(part)
    with Prometheus("global: {scrape_interval: 1s}\n", part=part) as prometheus:
        plots = Plots(prometheus.url)
        until = datetime.now(UTC) + timedelta(seconds=1)
        picture = plots.plot("vector(3) > 0", "three", until, 2.5)
        assert picture is not None
        assert size(picture) == (1200, 600)
        assert plots.plot("nothing_is_called_so", "t", until, None) is None
        with pytest.raises(OutsideError, match="does not understand") as raised:
            plots.plot("sum(", "t", until, None)
        assert raised.value.permanent


PANELS = (
    Panel("answers", "seconds", (Curve("p50", "a"), Curve("_p95", "b")), above=0.8),
    Panel(HOSTILE, "share", (Curve("errors", "c"),), above=0.01),
    Panel("disk free", "share", (Curve("free", "d"),), below=0.15),
)


def test_a_sheet_has_a_panel_for_each_measure_and_stays_small() -> None:
    grid = moments(NOW.timestamp())
    noisy = [({"x": HOSTILE + str(n)}, [(each, str((each * 7919 * n) % 1013)) for each in grid]) for n in range(1, 9)]
    with played(200, matrix(*noisy)) as (address, asked):
        picture = Plots(f"http://{address}").sheet(PANELS, NOW)
    assert len(asked) == 4
    assert len(picture) < 200_000
    assert size(picture) == (900, 520)


def test_a_sheet_draws_its_limits_where_they_are() -> None:
    from bot.adapters.plots import sheet
    from bot.adapters.plots.order import SheetOrder

    flat = [{"metric": {}, "values": [(each, "0.5") for each in moments(NOW.timestamp())]}]

    def reds(panel: Panel) -> int:
        png = sheet.drawn(SheetOrder("x", (panel,), NOW.timestamp()), lambda *_: flat)
        picture = Image.open(io.BytesIO(png)).convert("RGB")
        return sum(is_alarm(picture.getpixel((at, row))) for at in range(900) for row in range(picture.height))

    assert reds(PANELS[0]) > 900
    assert reds(replace(PANELS[0], above=None)) == 0


def test_a_gap_in_a_sheet_stays_a_gap() -> None:
    from bot.adapters.plots import sheet
    from bot.adapters.plots.order import SheetOrder

    grid = moments(NOW.timestamp())
    whole = [(each, "1") for each in grid]
    panel = Panel("memory", "count", (Curve("m", "x"),))

    def blues(points: list[tuple[float, str]]) -> int:
        order = SheetOrder("x", (panel,), NOW.timestamp())
        png = sheet.drawn(order, lambda *_: [{"metric": {}, "values": points}])
        picture = Image.open(io.BytesIO(png)).convert("RGB")
        return sum(picture.getpixel((at, row)) == (0, 0x72, 0xB2) for at in range(900) for row in range(picture.height))

    assert blues(whole[:40] + whole[80:]) < 0.75 * blues(whole)


def test_a_panel_that_is_refused_says_so_and_the_others_are_drawn() -> None:
    needs("prometheus")
    with Prometheus("global: {scrape_interval: 1s}\n") as prometheus:
        panels = (Panel("broken", "count", (Curve("x", "sum("),)), Panel("none", "count", (Curve("y", "nothing"),)))
        until = datetime.now(UTC) + timedelta(seconds=1)
        picture = Plots(prometheus.url).sheet((*panels, Panel("three", "count", (Curve("z", "vector(3)"),))), until)
    assert size(picture) == (900, 520)


def test_a_sheet_fails_as_a_plot_does() -> None:
    with pytest.raises(OutsideError, match="does not answer"):
        Plots(f"http://127.0.0.1:{free_port()}").sheet(PANELS, NOW)
    with pytest.raises(ValueError, match="zone"):
        Plots("http://x").sheet(PANELS, NOW.replace(tzinfo=None))
