"""The checks of /health over facts: PASS, FAIL and UNKNOWN of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from handlers.checks import metrics, record
from handlers.checks.edge import EdgeCheck, cookies, headers
from handlers.checks.metrics import DEFAULT, MetricsCheck, Question, judged
from handlers.checks.mongo import MongoCheck, replica, server
from handlers.checks.origins import allowed, forged, lets
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding, failed, passed, unknown, worst
from handlers.core.health.vitals import Answer, Reached, ServerFacts, Shown, Tickets
from handlers.core.runbooks.probes import IndexBuild, MemberState, ReplicaState, Sample
from handlers.core.words.answers import TargetName
from handlers.core.words.audit import AuditEvent, verify
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from tests.fakes import FakeClock
from tests.handlers.test_audit import chain
from tests.handlers.test_comparison import Direct

SHOP = TargetName("shop")
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
WELL = ServerFacts(
    version="7.0.14",
    connections=10,
    connections_left=990,
    authorization=True,
    tls="requireTLS",
    weak_users=(),
    cache_share=0.5,
    oplog_share=0.95,
    disk_bytes=2 * 10**9,
    free_bytes=50 * 10**9,
    whole_bytes=100 * 10**9,
    dirty_share=0.02,
    tickets={"read": Tickets(3, 128, 0), "write": Tickets(1, 128, 0)},
)
FULL, WAITED = Tickets(128, 128, 0), Tickets(128, 128, 3)
SET = ReplicaState(
    (
        MemberState("a:27017", "PRIMARY", healthy=True, lag_seconds=None),
        MemberState("b:27017", "SECONDARY", healthy=True, lag_seconds=0.5),
    ),
    "a:27017", 90_000.0, 10, 990, (),
)  # fmt: skip


def verdicts(findings: Any) -> dict[str, Verdict]:
    return {each.name: each.verdict for each in findings}


def test_a_server_that_is_well() -> None:
    assert set(verdicts(server(WELL)).values()) == {PASS}
    assert set(verdicts(replica(SET, 0.95)).values()) == {PASS}


SERVER: dict[str, tuple[dict[str, Any], str, Verdict]] = {
    "no authentication": ({"authorization": False}, "authentication", FAIL),
    "authentication may not be asked": ({"authorization": None}, "authentication", UNKNOWN),
    "plain connections": ({"tls": "preferTLS"}, "TLS", FAIL),
    "TLS may not be asked": ({"tls": None}, "TLS", UNKNOWN),
    "a weak user": ({"weak_users": ("shop.app",)}, "passwords", FAIL),
    "users may not be asked": ({"weak_users": None}, "passwords", UNKNOWN),
    "few connections left": ({"connections": 900, "connections_left": 100}, "connections", FAIL),
    "connections may not be asked": ({"connections": 0, "connections_left": 0}, "connections", UNKNOWN),
    "a full cache": ({"cache_share": 0.99}, "cache", FAIL),
    "a cache nobody may ask for": ({"cache_share": None}, "cache", UNKNOWN),
    "a dirty cache": ({"dirty_share": 0.21}, "dirty cache", FAIL),
    "a dirty cache nobody may ask for": ({"dirty_share": None}, "dirty cache", UNKNOWN),
    "readers that wait": ({"tickets": {"read": WAITED, "write": FULL}}, "read tickets", FAIL),
    "no ticket left, and nobody waits": ({"tickets": {"read": FULL, "write": FULL}}, "write tickets", PASS),
    "no ticket left in an old series": (
        {"version": "6.0.5", "tickets": {"read": FULL, "write": FULL}},
        "write tickets",
        FAIL,
    ),
    "no ticket left, and who waits is not told": (
        {"tickets": {"read": Tickets(128, 128, None), "write": FULL}},
        "read tickets",
        UNKNOWN,
    ),
    "tickets nobody may ask for": ({"tickets": None}, "read tickets", UNKNOWN),
    "a full disk": ({"free_bytes": 10 * 10**9}, "disk", FAIL),
    "the disk is not told": ({"free_bytes": None}, "disk", UNKNOWN),
    "an old series": ({"version": "4.4.29"}, "version", FAIL),
}


@pytest.mark.parametrize(("change", "name", "expected"), SERVER.values(), ids=SERVER)
def test_a_server_that_is_not(change: dict[str, Any], name: str, expected: Verdict) -> None:
    assert verdicts(server(replace(WELL, **change)))[name] is expected


LAGGING = (SET.members[0], replace(SET.members[1], lag_seconds=60.0))
SILENT = (SET.members[0], replace(SET.members[1], lag_seconds=None))
GONE = (SET.members[0], MemberState("b:27017", "", healthy=False, lag_seconds=None))
REPLICA: dict[str, tuple[dict[str, Any], float | None, str, Verdict]] = {
    "no primary": ({"primary": ""}, 0.95, "primary", FAIL),
    "a member behind": ({"members": LAGGING}, 0.95, "lag of b:27017", FAIL),
    "a lag nobody knows": ({"members": SILENT}, 0.95, "lag of b:27017", UNKNOWN),
    "a member gone": ({"members": GONE}, 0.95, "member b:27017", FAIL),
    "a short oplog": ({"window_seconds": 3600.0}, 0.95, "oplog window", FAIL),
    "an oplog just begun": ({"window_seconds": 60.0}, 0.1, "oplog window", PASS),
    "an oplog that may be full": ({"window_seconds": 60.0}, None, "oplog window", FAIL),
    "an oplog that may not be read": ({"window_seconds": None}, None, "oplog window", UNKNOWN),
    "slow operations": ({"slow": ("query on shop.orders: 40 s",)}, 0.95, "slow operations", FAIL),
    "an index for hours": ({"builds": (IndexBuild("shop.orders", 7200.0, 0.4),)}, 0.95, "index builds", FAIL),
    "an index for a minute": ({"builds": (IndexBuild("shop.orders", 60.0, None),)}, 0.95, "index builds", PASS),
    "builds may not be asked": ({"builds": None}, 0.95, "index builds", UNKNOWN),
    "operations may not be asked": ({"slow": None}, 0.95, "slow operations", UNKNOWN),
}


@pytest.mark.parametrize(("change", "share", "name", "expected"), REPLICA.values(), ids=REPLICA)
def test_a_replica_set_that_is_not(change: dict[str, Any], share: float | None, name: str, expected: Verdict) -> None:
    assert verdicts(replica(replace(SET, **change), share))[name] is expected


class Broken:
    """Asked, it does not answer."""

    def look(self, seconds: float) -> ReplicaState:
        raise OutsideError(Text("MongoDB could not be asked."))

    def facts(self, seconds: float) -> ServerFacts:
        return WELL


class Told:
    """The set tells of itself, and its server does not."""

    def look(self, seconds: float) -> ReplicaState:
        return replace(SET, primary="")

    def facts(self, seconds: float) -> ServerFacts:
        raise OutsideError(Text("MongoDB could not be asked."))


def test_a_server_that_is_no_replica_set_is_still_looked_at() -> None:
    found = verdicts(MongoCheck(Broken(), Broken())(SHOP, 5))
    assert (found["replica set"], found["TLS"]) == (UNKNOWN, PASS)


def test_a_set_whose_server_tells_nothing_of_itself_is_still_looked_at() -> None:
    found = verdicts(MongoCheck(Told(), Told())(SHOP, 5))
    assert (found["primary"], found["server"], "TLS" in found) == (FAIL, UNKNOWN, False)


def test_when_nothing_could_be_asked_that_is_one_line() -> None:
    with pytest.raises(OutsideError):
        MongoCheck(Broken(), Told())(SHOP, 5)


P95 = next(each for each in DEFAULT if each.name == "p95")
FREE = Question("disk free", "x", "share", below=0.15)


@pytest.mark.parametrize(
    ("question", "values", "expected"),
    [
        (P95, [0.2], PASS),
        (P95, [0.2, 0.9], FAIL),
        (P95, [], UNKNOWN),
        (P95, [float("nan")], UNKNOWN),
        (P95, [float("inf")], UNKNOWN),
        (FREE, [0.5, 0.1], FAIL),
        (FREE, [0.15], PASS),
    ],
    ids=["well", "the worst counts", "nothing", "no number", "endless", "the least counts", "the limit itself"],
)
def test_an_indicator_is_judged_by_its_worst_series(question: Question, values: list[float], expected: Verdict) -> None:
    assert judged(question, values).verdict is expected


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        ("seconds", 0.25, "x 250 ms"),
        ("seconds", 90.0, "x 1 min 30 s"),
        ("share", 0.125, "x 12.5%"),
        ("bytes", 2.5e9, "x 2.5 GB"),
        ("rate", 12.34, "x 12.3 a second"),
        ("count", 3.0, "x 3"),
    ],
)
def test_a_value_is_told_in_the_unit_that_the_question_names(unit: str, value: float, words: str) -> None:
    assert str(judged(Question("x", "x", unit), [value]).text) == words


class Numbers:
    """A Prometheus that refuses one question."""

    def ask(self, expression: str, seconds: float) -> tuple[Sample, ...]:
        if expression == "bad":
            raise OutsideError(Text("Prometheus refused the question."), permanent=True)
        if expression == "away":
            raise OutsideError(Text("Prometheus does not answer."))
        return (Sample({}, 1.0),)


def test_one_question_that_is_refused_leaves_the_others() -> None:
    questions = [Question("bad", "bad", "count"), Question("good", "good", "count")]
    assert verdicts(MetricsCheck(Numbers(), questions)(SHOP, 5)) == {"bad": UNKNOWN, "good": PASS}
    with pytest.raises(OutsideError):
        MetricsCheck(Numbers(), [Question("away", "away", "count")])(SHOP, 5)


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"queries": [{"name": "x", "query": "up", "unit": "count", "above": 1}]}, ""),
        ([], "a mapping"),
        ({"queries": [{"name": "x", "query": "up"}]}, "query 1"),
        ({"queries": [{"name": "x", "query": "up", "unit": "parsecs"}]}, "unit is one of"),
        ({"queries": [{"name": "x", "query": "up", "unit": "count", "above": "much"}]}, "numbers"),
        ({"queries": [{"name": "x", "query": "up", "unit": "count", "above": True}]}, "numbers"),
    ],
    ids=["right", "no mapping", "no unit", "another unit", "a word", "a truth"],
)
def test_questions_are_read_with_everything_wrong_named(data: object, problem: str) -> None:
    _, problems = metrics.read(data)
    assert problem in "; ".join(problems)
    assert bool(problems) == bool(problem)


def test_what_is_not_known_is_never_green() -> None:
    good, bad, unsure = passed("a", Text("a")), failed("b", Text("b")), unknown("c", Text("c"))
    assert [worst(each) for each in ([good], [good, unsure], [good, unsure, bad], [])] == [PASS, UNKNOWN, FAIL, UNKNOWN]


def test_a_finding_reads_back_as_it_was_kept() -> None:
    finding = failed("lag", Text("{name} is behind.", name="b"), value="60 s", limit="10 s", source="MongoDB")
    assert Finding.from_json(finding.to_json()) == finding  # type: ignore[arg-type]


def test_a_record_that_was_tampered_with_is_found() -> None:
    lines = chain([AuditEvent(f"event {number}", "allow", None) for number in range(5)])

    def found(kept: list[bytes]) -> list[Finding]:
        return list(record.RecordCheck(lambda: kept, verify, FakeClock())(SHOP, 5))

    assert found(lines)[0].verdict is PASS
    assert [each.verdict for each in found([*lines[:2], *lines[3:]])] == [FAIL]
    assert [each.verdict for each in found([*lines[:4], lines[4][:-3]])] == [FAIL]


ORIGIN = "https://shop.example"


def test_forged_origins_are_ten_and_none_is_an_allowed_one() -> None:
    assert len(forged([ORIGIN])) == 10
    assert ORIGIN not in forged([ORIGIN, "https://evil.example"])


@pytest.mark.parametrize(
    ("values", "expected"),
    [((ORIGIN,), True), (("*",), True), ((), False), ((ORIGIN, ORIGIN), False), (("https://other",), False)],
    ids=["itself", "everybody", "nobody", "twice", "another"],
)
def test_who_may_read_is_decided_as_browsers_do(values: tuple[str, ...], expected: bool) -> None:
    answer = Answer(200, tuple(("access-control-allow-origin", each) for each in values))
    assert lets(ORIGIN, answer) is expected
    assert (allowed(ORIGIN, answer).verdict is PASS) == (expected and values != ("*",))


def test_headers_on_plain_http_promise_nothing() -> None:
    answer = Answer(200, (("strict-transport-security", "max-age=31536000"),))
    assert verdicts(headers(answer, secure=False))["HSTS"] is FAIL
    assert verdicts(headers(answer, secure=True))["HSTS"] is PASS


def test_a_nonce_makes_inline_scripts_harmless() -> None:
    answer = Answer(200, (("content-security-policy", "object-src 'none'; script-src 'nonce-abc' 'unsafe-inline'"),))
    assert verdicts(headers(answer, secure=True))["Content-Security-Policy"] is PASS


def test_every_cookie_is_looked_at() -> None:
    good, poor = "a=1; Secure; HttpOnly; SameSite=Lax", "b=1; Secure"
    found = verdicts(cookies(Answer(200, (("set-cookie", good), ("set-cookie", poor)))))
    assert found == {"cookie a": PASS, "cookie b": FAIL}


class Shop:
    """A public address that answers as a test says, and what it was asked."""

    def __init__(self, plain: Answer) -> None:
        self.plain = plain
        self.asked: list[str] = []

    def ask(self, url: str, headers: Mapping[str, str], seconds: float, method: str = "GET") -> Answer:
        self.asked.append(url)
        return self.plain if url.startswith("http:") else Answer(200)

    def certificates(self, host: str, port: int, seconds: float) -> tuple[Shown, ...]:
        return ()

    def chosen(self, host: str, port: int, version: str, ciphers: Sequence[int], seconds: float) -> int | None:
        return None

    def reach(self, host: str, ports: Sequence[int], seconds: float) -> Mapping[int, Mapping[str, Reached]]:
        return {}


@pytest.mark.parametrize(
    ("plain", "expected"),
    [(Answer(301, (("location", f"{ORIGIN}/"),)), PASS), (Answer(0, why="refused"), PASS), (Answer(200), FAIL)],
    ids=["redirected", "closed", "answered"],
)
def test_plain_http_is_asked_for_at_port_80_of_the_same_host(plain: Answer, expected: Verdict) -> None:
    edge = Shop(plain)
    found = verdicts(EdgeCheck(edge, FakeClock(), Direct(), f"{ORIGIN}/api")(SHOP, 5))
    assert found["redirect"] is expected
    assert sorted(edge.asked) == ["http://shop.example/", f"{ORIGIN}/api"]


def test_whether_plain_http_is_redirected_is_not_asked_beside_a_port_of_its_own() -> None:
    edge = Shop(Answer(200))
    assert verdicts(EdgeCheck(edge, FakeClock(), Direct(), f"{ORIGIN}:8443")(SHOP, 5))["redirect"] is UNKNOWN
    assert edge.asked == [f"{ORIGIN}:8443"]
