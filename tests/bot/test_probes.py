"""What steps look through, against real servers: what was established, and what could not be."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bot.adapters.command import LocalProgram
from bot.adapters.mongo.replica import ReplicaProbe
from bot.adapters.network_probe import NetworkProbe
from bot.adapters.promql import HttpMetrics
from bot.adapters.web_probe import MOST_BYTES, WebProbe
from handlers.core.words.errors import OutsideError
from sandbox.servers.mongod import Mongod
from sandbox.servers.ports import free_port
from sandbox.servers.prometheus import Prometheus
from tests.conftest import needs


class Answers(BaseHTTPRequestHandler):
    """Answers by path."""

    def do_GET(self) -> None:
        match self.path:
            case "/moved":
                self.send_response(302)
                self.send_header("Location", "/well")
                self.end_headers()
            case "/large":
                self.send_response(200)
                self.end_headers()
                self.wfile.write(b"x" * (4 * MOST_BYTES))
            case "/trickle":
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                for _ in range(30):
                    self.wfile.write(b"x")
                    self.wfile.flush()
                    time.sleep(0.1)
            case "/silent":
                time.sleep(2)
            case path:
                self.send_response(200 if path == "/well" else 503)
                self.end_headers()
                self.wfile.write(b"words")

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, TimeoutError):
            return  # the asker had enough

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 the base class's name
        """Says nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/well", 200, "words"), ("/ill", 503, "words"), ("/moved", 302, ""), ("/large", 200, "x" * MOST_BYTES)],
)
def test_a_page_is_asked_once_without_redirects_and_read_so_far(
    address: str, path: str, status: int, body: str
) -> None:
    page = WebProbe().get(address + path, 5)
    assert (page.status, page.body, page.why) == (status, body, "")


@pytest.mark.parametrize(("path", "why"), [("/silent", "nothing in 0.5 s"), ("/trickle", "nothing in 0.5 s")])
def test_a_page_that_is_too_slow_ends_by_its_time(address: str, path: str, why: str) -> None:
    assert (WebProbe().get(address + path, 0.5).status, WebProbe().get(address + path, 0.5).why) == (0, why)


def test_a_refused_connection_is_an_answer_and_an_unknown_name_is_none() -> None:
    page = WebProbe().get(f"http://127.0.0.1:{free_port()}/", 5)
    assert (page.status, page.why) == (0, "the connection is refused")
    with pytest.raises(OutsideError, match="name is not found"):
        WebProbe().get("http://no-such-name.invalid/?token=secret", 5)


def test_names_and_ports(address: str) -> None:
    network, port = NetworkProbe(), int(address.rpartition(":")[2])
    assert "127.0.0.1" in network.resolve("localhost", 5)
    assert network.resolve("127.0.0.1", 5) == ("127.0.0.1",)
    assert network.connect("127.0.0.1", port, 5).why == ""
    assert network.connect("127.0.0.1", free_port(), 5).why == "refused"
    assert network.tls("127.0.0.1", port, 5).why


def test_a_port_that_takes_nothing_is_too_slow_and_not_a_failure_of_ours() -> None:
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        held = [socket.socket() for _ in range(3)]
        for each in held:
            each.settimeout(0)
            each.connect_ex(deaf.getsockname())
        assert NetworkProbe().connect("127.0.0.1", deaf.getsockname()[1], 0.3).why == "nothing in time"
        for each in held:
            each.close()


def test_a_program_sees_no_secret_and_ends_by_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_KEY", "secret")
    words = [sys.executable, "-c", "import os, sys; print(sorted(os.environ), sys.argv[1:])", "$(id)", "a b"]
    ended = LocalProgram().run(words, 20)
    assert ended.code == 0
    assert "MASTER_KEY" not in ended.output
    assert "MONGODB_URI" not in ended.output
    assert "['$(id)', 'a b']" in ended.output
    assert LocalProgram(["hush"]).run([sys.executable, "-c", "print('hush')"], 20).output == "•••"
    assert LocalProgram().run([sys.executable, "-c", "import time; time.sleep(60)"], 0.3).code is None
    with pytest.raises(OutsideError, match="cannot be started"):
        LocalProgram().run(["/no/such/program"], 5)


def test_the_whole_output_of_a_program_is_kept_and_of_an_endless_one_its_end() -> None:
    said = LocalProgram().run([sys.executable, "-c", "for n in range(1000): print('line', n)"], 20).output
    assert said.splitlines() == [f"line {number}" for number in range(1000)]
    said = LocalProgram().run([sys.executable, "-c", "for n in range(60_000): print('line', n)"], 20).output
    first, *lines = said.splitlines()
    assert lines == [f"line {number}" for number in range(60_000 - len(lines), 60_000)]
    assert first == f"({60_000 - len(lines)} lines before these were not kept)"
    assert 190_000 < len(said) < 201_000


@pytest.fixture(scope="module")
def members() -> Iterator[Mongod]:
    needs("mongod")
    with Mongod(members=3) as running:
        yield running


def test_a_replica_set_is_seen_whole_and_after_its_primary_was_killed(members: Mongod) -> None:
    probe = ReplicaProbe(members.uri("shop"))
    state = probe.look(15)
    assert sorted(each.state for each in state.members) == ["PRIMARY", "SECONDARY", "SECONDARY"]
    assert state.primary
    assert state.window_seconds is not None
    assert state.connections > 0
    assert state.slow == ()
    dead = next(number for number, each in enumerate(members.members) if state.primary.endswith(str(each.port)))
    members.kill(dead)
    deadline = time.monotonic() + 40
    while not (now := probe.look(15)).primary or now.primary == state.primary:
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert [each.healthy for each in now.members].count(False) == 1


def test_nobody_answers_is_not_known_and_no_password_is_told() -> None:
    with pytest.raises(OutsideError) as caught:
        ReplicaProbe(f"mongodb://user:hunter22@127.0.0.1:{free_port()}/shop?replicaSet=rs0").look(1)
    assert "hunter22" not in str(caught.value)


@pytest.mark.parametrize("part", ["prometheus", "newer-prometheus"])
def test_prometheus_is_asked_and_its_refusals_are_told(part: str) -> None:
    needs(part)
    with Prometheus("global: {}\n", part=part) as server:
        metrics = HttpMetrics(server.url)
        assert [each.value for each in metrics.ask("vector(3)", 5)] == [3.0]
        assert [each.value for each in metrics.ask("1 + 1", 5)] == [2.0]
        assert metrics.ask("up", 5) == ()
        with pytest.raises(OutsideError, match="parse error"):
            metrics.ask("up{", 5)
    with pytest.raises(OutsideError, match="does not answer"):
        metrics.ask("up", 1)
