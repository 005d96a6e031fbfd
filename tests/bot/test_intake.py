"""The intake: what is stored is answered 200, what may be tried again 503, what never can be 400, 401 or 413."""

from __future__ import annotations

import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.intake import ALERTMANAGER, CI, MOST_BYTES, Intake
from bot.web import WebServer, application
from handlers.alerts import Alerts
from handlers.core.alerts.ledger import Ledger
from handlers.core.alerts.notices import group_id
from tests.fakes import FakeClock, FakeEntropy, Faults, MemoryState
from tests.posting import posted

RECORDED = Path(__file__).parents[1] / "fixtures" / "alertmanager"
TOKEN = "0123456789abcdef"
ALERT = {"status": "firing", "labels": {"alertname": "Slow"}, "startsAt": "2026-11-24T03:00:00Z"}
BODY = json.dumps({"receiver": "slack", "groupLabels": {"job": "shop"}, "alerts": [ALERT]}).encode()


class House:
    """The intake over the real handlers and a state in memory."""

    def __init__(self) -> None:
        clock, self.faults = FakeClock(), Faults()
        self.ledger = Ledger(MemoryState(clock, self.faults))
        self.intake = Intake(Alerts(self.ledger, clock, FakeEntropy()), TOKEN)

    def post(self, body: bytes = BODY, path: str = ALERTMANAGER, query: str = "", **changes: str) -> int:
        return posted(self.intake, body, TOKEN, path, query, **changes)

    def knows(self, source: str = "default") -> bool:
        return self.ledger.load(group_id(source, "slack", {"job": "shop"})) is not None


@pytest.fixture
def house() -> House:
    return House()


def test_what_was_answered_with_200_is_stored(house: House) -> None:
    assert (house.post(), house.knows()) == (200, True)
    assert house.intake.counts() == {(ALERTMANAGER, "stored"): 1}


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer ", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}",
     "Bearer é"],
)  # fmt: skip
def test_without_the_token_nothing_is_read_or_stored(house: House, given: str) -> None:
    assert (house.post(HTTP_AUTHORIZATION=given), house.knows()) == (401, False)
    assert house.intake.counts() == {(ALERTMANAGER, "unauthorized"): 1}


@pytest.mark.parametrize("name", sorted(f"{each.parent.name}/{each.name}" for each in RECORDED.glob("*/*.json")))
def test_whatever_a_real_alertmanager_sent_is_stored(house: House, name: str) -> None:
    bodies = json.loads((RECORDED / name).read_text())
    assert bodies
    assert {house.post(json.dumps(each, ensure_ascii=False).encode()) for each in bodies} == {200}


@pytest.mark.parametrize("given", ["", "Bearer ", "Bearer"])
def test_an_empty_token_lets_nobody_in(house: House, given: str) -> None:
    house.intake = Intake(Alerts(house.ledger, FakeClock(), FakeEntropy()), "")
    assert house.post(HTTP_AUTHORIZATION=given) == 401


@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"[]", b"{}", b'{"alerts":{}}', b'{"alerts":[1]}', b"[" * 100_000, b"\xff",
     b'{"alerts":' + b"9" * 5000, gzip.compress(b'{"alerts":[]}')],
    ids=["empty", "word", "list", "object", "mapping", "numbers", "deep", "latin", "digits", "packed"],
)  # fmt: skip
def test_what_is_no_webhook_is_refused_for_good_and_counted(house: House, body: bytes) -> None:
    assert house.post(body) == 400
    assert house.intake.counts() == {(ALERTMANAGER, "malformed"): 1}


def test_a_body_of_ten_megabytes_is_taken_and_one_byte_more_is_refused_as_too_large(house: House) -> None:
    assert house.post(BODY.ljust(MOST_BYTES)) == 200
    assert house.post(BODY.ljust(MOST_BYTES + 1)) == 413
    assert house.intake.counts()[ALERTMANAGER, "too_large"] == 1


@pytest.mark.parametrize("length", ["", "-1", "many", "1e3"])
def test_a_length_that_is_none_is_refused_for_good(house: House, length: str) -> None:
    assert (house.post(CONTENT_LENGTH=length), house.knows()) == (400, False)


def test_a_query_with_too_many_fields_is_refused_for_good(house: House) -> None:
    assert house.post(query="&".join(f"a{number}=1" for number in range(11))) == 400


def test_while_the_state_is_away_the_sender_is_told_to_try_again_and_then_it_is_stored(house: House) -> None:
    house.faults.fail("state.get")
    assert (house.post(), house.knows()) == (503, False)
    assert (house.post(), house.knows()) == (200, True)


def test_while_it_goes_down_nothing_is_stored(house: House) -> None:
    house.intake.close()
    assert (house.post(), house.knows()) == (503, False)


@pytest.mark.parametrize(
    ("query", "source"), [("source=paris", "paris"), ("source=..%2Fx", "default"), ("source=A", "default")]
)
def test_sources_are_told_apart_and_a_wrong_name_is_the_default(house: House, query: str, source: str) -> None:
    assert house.post(query=query) == 200
    assert house.knows(source)


def test_a_report_that_cannot_be_read_is_kept_as_unknown_and_fires(house: House) -> None:
    assert house.post(b"no JSON", CI, "tool=npm-audit&repo=shop&ref=main") == 200
    labels = {"tool": "npm-audit", "repo": "shop", "ref": "main"}
    group = house.ledger.load(group_id("ci", "ci", labels))
    assert group is not None
    assert (group.unclear, len(group.firing)) == (True, 1)


@pytest.mark.parametrize("query", ["", "tool=npm-audit", "repo=shop", "tool=npm-audit&repo=%0A"])
def test_a_report_without_its_names_is_refused(house: House, query: str) -> None:
    assert house.post(b"{}", CI, query) == 400


@pytest.fixture
def port(house: House) -> Iterator[int]:
    server = WebServer(
        application({}, None, webhooks={ALERTMANAGER: house.intake}), "127.0.0.1", 0, house.intake.refused
    )
    server.start()
    yield server.port
    server.close()


def asked(port: int, head: str, body: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
        rest = f"Host: x\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
        line.sendall(f"{head} HTTP/1.1\r\n{rest}".encode() + body)
        return line.makefile("rb").read()


def test_over_the_wire_a_body_in_chunks_is_taken(house: House, port: int) -> None:
    chunks = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY)
    assert asked(port, f"POST {ALERTMANAGER}", chunks).startswith(b"HTTP/1.1 200 ")
    assert house.knows()


def test_over_the_wire_a_body_that_is_announced_as_too_large_is_refused_unread(house: House, port: int) -> None:
    length = f"Content-Length: {MOST_BYTES + 1}\r\n\r\n".encode()
    assert asked(port, f"POST {ALERTMANAGER}", length).startswith(b"HTTP/1.1 413 ")
    assert asked(port, "POST /elsewhere", length).startswith(b"HTTP/1.1 413 ")
    assert house.intake.counts() == {(ALERTMANAGER, "too_large"): 1}


def test_over_the_wire_a_length_that_is_no_number_is_refused_and_counted(house: House, port: int) -> None:
    assert asked(port, f"POST {ALERTMANAGER}", b"Content-Length: much\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert house.intake.counts() == {(ALERTMANAGER, "malformed"): 1}


def test_over_the_wire_only_a_post_reaches_the_intake(house: House, port: int) -> None:
    answer = asked(port, f"GET {ALERTMANAGER}", b"\r\n")
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"\r\nAllow: POST\r\n" in answer
    assert house.intake.counts() == {}
