"""A consumer over real HTTP: the example backend under Node, and servers that answer what they should not."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

import pytest

from bot.adapters.command import ShellCommand
from bot.adapters.consumer import HttpConsumer
from handlers.core.rotation.key_rings import KeyRing, _base64, _part, signer
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.rotation.secrets import Use
from handlers.core.words.errors import OutsideError
from sandbox.servers.backend import Backend
from tests.conftest import needs

CANARY = "CANARY-token-that-nobody-may-see"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    needs("node")
    with Backend(tmp_path_factory.mktemp("ring") / "jwt") as running:
        yield running


def consumer(use: Use) -> HttpConsumer:
    return HttpConsumer(use, ShellCommand(use.roll_out, ""), ShellCommand(use.verify, ""))


@pytest.fixture
def shop(backend: Backend, tmp_path: Path) -> HttpConsumer:
    body = tmp_path / "probe.json"
    body.write_text(json.dumps({"user": "probe", "password": backend.password}))
    url = backend.url
    use = Use("shop", "", (f"{url}/internal/secrets",), f"{url}/health", f"{url}/login", str(body), f"{url}/me")
    return consumer(use)


def test_a_healthy_backend_says_its_version_and_lets_a_fresh_login_in(backend: Backend, shop: HttpConsumer) -> None:
    ring = KeyRing.read(Sealed(backend.ring.read_bytes()))
    assert shop.healthy()
    assert [each.version for each in shop.reports("jwt")] == [ring.version]
    token = shop.log_in()
    assert token is not None
    assert signer(token) == ring.active
    assert shop.accepts(token) is True


def test_a_token_of_an_unknown_key_is_refused(backend: Backend, shop: HttpConsumer) -> None:
    token = shop.log_in()
    assert token is not None
    head, body, signature = token.reveal().split(b".")
    assert shop.accepts(Sealed(b".".join((head, body, signature[::-1])))) is False


@pytest.mark.parametrize("alg", ["none", "HS384", "RS256"])
def test_the_backend_takes_no_other_algorithm(backend: Backend, shop: HttpConsumer, alg: str) -> None:
    ring = KeyRing.read(Sealed(backend.ring.read_bytes()))
    claims = {"sub": "x", "exp": 9_999_999_999}
    token = f"{_part({'alg': alg, 'kid': ring.active})}.{_part(claims)}.{_base64(b'')}"
    assert shop.accepts(Sealed(token.encode())) is False


def test_half_a_key_ring_does_not_stop_the_backend(backend: Backend, shop: HttpConsumer) -> None:
    whole = backend.ring.read_bytes()
    token = shop.log_in()
    assert token is not None
    try:
        backend.ring.write_bytes(whole[:20])
        assert shop.accepts(token) is True
    finally:
        backend.ring.write_bytes(whole)


class Answering(BaseHTTPRequestHandler):
    """Answers as the path says: `/500`, `/302`, `/words`, `/list`, `/huge`, `/json-…`."""

    def do_GET(self) -> None:
        word = self.path.strip("/")
        if word.startswith("json-"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(unquote(word.removeprefix("json-")).encode())
            return
        self.send_response(int(word) if word.isdigit() else 200)
        if word == "302":
            self.send_header("Location", "/200")
        self.end_headers()
        self.wfile.write({"list": b"[]", "huge": b"[" * 100_000}.get(word, b"words " + CANARY.encode()))

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def odd() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["500", "302", "404", "403"])
def test_an_answer_that_is_neither_yes_nor_no_is_no_answer(odd: str, path: str) -> None:
    with pytest.raises(OutsideError) as caught:
        consumer(Use("odd", check=f"{odd}/{path}")).accepts(Sealed(CANARY.encode()))
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("path", ["500", "words", "huge", "302"])
def test_what_is_no_report_and_no_login_is_refused_and_not_shown(odd: str, path: str) -> None:
    with pytest.raises(OutsideError) as caught:
        consumer(Use("odd", reports=(f"{odd}/{path}",))).reports("jwt")
    assert CANARY not in str(caught.value)
    with pytest.raises(OutsideError):
        consumer(Use("odd", login=f"{odd}/{path}")).log_in()


def test_a_report_without_the_secret_says_nothing(odd: str) -> None:
    assert [each.version for each in consumer(Use("odd", reports=(f"{odd}/list",))).reports("jwt")] == [""]


@pytest.mark.parametrize(
    "said",
    [
        "{}",
        "[]",
        '{"active": "k", "keys": {"k": -1}, "opens": []}',
        '{"active": "k", "keys": {"k": true}, "opens": []}',
        '{"active": "k", "keys": {"k": "1"}, "opens": []}',
        '{"active": "k", "keys": ["k"], "opens": []}',
        '{"active": "k", "keys": {"k": 1}, "opens": 3}',
        '{"moved": 1.5, "unreadable": 0}',
        '{"moved": 1}',
        "words",
    ],
)
def test_counters_that_count_nothing_are_no_answer(odd: str, said: str) -> None:
    asked = consumer(Use("odd", reencrypt=f"{odd}/json-{quote(said)}"))
    with pytest.raises(OutsideError):
        asked.encrypted()
    with pytest.raises(OutsideError):
        asked.reencrypt("k", "")


def test_a_program_that_writes_under_another_key_is_not_asked_again(odd: str) -> None:
    with pytest.raises(OutsideError, match="another key") as caught:
        consumer(Use("odd", reencrypt=f"{odd}/409")).reencrypt("k", "")
    assert caught.value.permanent


def test_who_encrypts_nothing_is_not_asked() -> None:
    nothing = consumer(Use("nothing"))
    assert nothing.encrypted() is None
    with pytest.raises(OutsideError, match="no address"):
        nothing.reencrypt("k", "")


def test_nobody_at_home_is_worth_another_try() -> None:
    with pytest.raises(OutsideError) as caught:
        consumer(Use("gone", check="http://127.0.0.1:9/me")).accepts(Sealed(CANARY.encode()))
    assert not caught.value.permanent
    assert CANARY not in str(caught.value)


def test_a_roll_out_that_fails_says_how_it_ended_and_not_what_it_said() -> None:
    with pytest.raises(OutsideError, match="ended with 3") as caught:
        consumer(Use("api", roll_out=f"sh -c 'echo {CANARY} | rev; exit 3'")).roll_out()
    assert CANARY[::-1] not in str(caught.value)


def test_the_new_value_is_read_from_standard_input_and_is_nowhere_else(tmp_path: Path) -> None:
    program = tmp_path / "verify"
    told = f"cat > {tmp_path}/read\ntr '\\0' ' ' < /proc/$$/cmdline > {tmp_path}/line\nenv > {tmp_path}/env\n"
    program.write_text(f"#!/bin/sh\n{told}")
    program.chmod(0o755)
    value = Sealed(CANARY.encode() * 1000)
    assert consumer(Use("api", verify=str(program))).verified(value)
    assert (tmp_path / "read").read_bytes() == value.reveal()
    assert CANARY not in (tmp_path / "line").read_text() + (tmp_path / "env").read_text()


def test_a_value_that_does_not_work_is_not_verified() -> None:
    assert not consumer(Use("api", verify="false")).verified(Sealed(b"x"))
    assert consumer(Use("api")).verified(Sealed(b"x"))
