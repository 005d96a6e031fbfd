"""The kinds of steps: what is PASS, what is FAIL, and that what could not be established is UNKNOWN."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers import looks, steps
from handlers.core.alerts import matchers
from handlers.core.runbooks import arguments, programs
from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.runbooks.command_pairs import CommandPair, parsed
from handlers.core.runbooks.deployments import Change, Seen
from handlers.core.runbooks.probes import (
    Certificate,
    ChatToken,
    Connected,
    Finished,
    MemberState,
    Page,
    ReplicaState,
    Sample,
)
from handlers.core.runbooks.runbooks import read
from handlers.core.runbooks.runs import Run
from handlers.core.words.answers import JobId, PersonId, Plan, TargetName
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.jobs import Job, JobState
from handlers.core.words.text import Text
from handlers.deeds import Call, Hands, planned
from handlers.looks import Eyes
from tests.fake_probes import (
    AWAY,
    FakeAlertmanager,
    FakeBackups,
    FakeMetrics,
    FakeMongoState,
    FakeNetwork,
    FakeNotices,
    FakeProgram,
    FakeServices,
    FakeWeb,
    rollbacks_of,
    v,
)
from tests.fakes import FakeClock, someone


def member(name: str, state: str, lag: float | None = None, *, healthy: bool = True) -> MemberState:
    return MemberState(name, state, healthy, lag)


WELL = ReplicaState(
    members=(member("a:1", "PRIMARY", None), member("b:1", "SECONDARY", 0.5)),
    primary="a:1",
    window_seconds=86_400.0,
    connections=20,
    connections_left=800,
    slow=(),
)
PASS, FAIL, UNKNOWN = StepState.PASSED, StepState.FAILED, StepState.UNKNOWN


@dataclass
class World:
    """Everything a step may touch. `bare`: nothing is configured."""

    clock: FakeClock = field(default_factory=FakeClock)
    web: FakeWeb = field(default_factory=FakeWeb)
    network: FakeNetwork = field(default_factory=FakeNetwork)
    metrics: FakeMetrics = field(default_factory=FakeMetrics)
    mongo: FakeMongoState = field(default_factory=lambda: FakeMongoState(WELL))
    program: FakeProgram = field(default_factory=FakeProgram)
    backups: FakeBackups = field(default_factory=FakeBackups)
    alertmanager: FakeAlertmanager = field(default_factory=FakeAlertmanager)
    notices: FakeNotices = field(default_factory=FakeNotices)
    services: FakeServices = field(default_factory=FakeServices)
    bare: bool = False
    checks: int = 0

    def check(self) -> None:
        self.checks += 1

    def run(self, kind: str, with_: dict[str, Any] | None = None, labels: dict[str, str] | None = None) -> Result:
        step = {"name": "it", "kind": kind, "title": "It", "with": with_ or {}}
        runbook, problems = read("it", {"title": "It", "steps": [step]}, steps.SHAPES)
        assert runbook is not None, problems
        who = PersonId("U0SARA")
        run = Run("r", runbook, TargetName("shop"), "C0OPS", who, who, self.clock.now(), labels or {})
        places = {"mongodb": ("db:27017",), "service": ("db:80",)}
        eyes = Eyes(self.web, self.network, self.clock, self.metrics, self.mongo, "http://backend/health", places)
        allowed, wrong = programs.read(
            {"restart": {"run": ["/bin/restart", "${service}"], "arguments": {"service": "word"}},
             "wipe": {"run": ["/bin/wipe"], "destroys": True}}
        )  # fmt: skip
        assert not wrong
        hands = Hands(self.clock, self.program, allowed, self.backups, self.alertmanager, self.notices,
                      rollbacks_of(self.services, self.clock, eyes))  # fmt: skip
        first = runbook.steps[0]
        filled = steps.filled(first, run.labels)
        changes = {"changes": [each.to_json() for each in planned(hands, first)]}
        if self.bare:
            eyes, hands = Eyes(self.web, self.network, self.clock), Hands(self.clock, self.program, {})
        plan = Plan("runbook.destroy", run.target, changes, someone(), "C0OPS", "", "")
        job = Job(JobId("thejob"), plan, JobState.RUNNING, self.clock.now())
        return steps.perform(eyes, hands, Call(run, first, filled, someone(), "C0OPS", self.check, job))


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize(
    ("answer", "given", "expected"),
    [
        (Page(200, "ok", 0.1), {}, PASS),
        (Page(503, "no", 0.1), {}, FAIL),
        (Page(204, "", 0.1), {"status": 204}, PASS),
        (Page(200, "degraded", 0.1), {"body": "ok"}, FAIL),
        (Page(200, "ok", 3.0), {"within": 2}, FAIL),
        (Page(0, why="refused"), {}, FAIL),
        (AWAY, {}, UNKNOWN),
    ],
    ids=["200", "503", "204 wanted", "other body", "slow", "refused", "not asked"],
)
def test_http(world: World, answer: Page | OutsideError, given: dict[str, Any], expected: StepState) -> None:
    world.web.answer = answer
    assert world.run("http", given).state is expected


def test_http_asks_the_configured_health_address_when_none_is_named(world: World) -> None:
    world.run("http")
    assert world.web.asked == ["http://backend/health"]


@pytest.mark.parametrize(
    ("kind", "given", "missing"),
    [
        ("http", {}, "BACKEND_HEALTH_URL is not set"),
        ("mongo", {}, "No MongoDB is configured"),
        ("promql", {"query": "up"}, "PROMETHEUS_URL is not set"),
        ("backup", {}, "No backups are configured"),
        ("silence", {}, "ALERTMANAGER_URL is not set"),
        ("rollback", {}, "see ROLLBACK_BY"),
        ("notify", {"text": "x"}, "nobody to tell"),
    ],
)
def test_what_is_not_configured_is_not_known_and_says_what_is_missing(
    world: World, kind: str, given: dict[str, Any], missing: str
) -> None:
    world.bare = True
    found = world.run(kind, given)
    assert found.state is UNKNOWN
    assert missing in str(found.text)
    assert (world.web.asked, world.metrics.asked, world.services.puts) == ([], [], [])


def test_a_rollback_without_a_way_back_is_not_even_planned(world: World) -> None:
    step = {"name": "it", "kind": "rollback", "title": "It"}
    runbook, _ = read("it", {"title": "It", "steps": [step]}, steps.SHAPES)
    assert runbook is not None
    with pytest.raises(Refusal, match="see ROLLBACK_BY"):
        planned(Hands(world.clock, world.program, {}), runbook.steps[0])


DOWN = member("b:1", "(not reachable/healthy)", healthy=False)


@pytest.mark.parametrize(
    ("answer", "given", "expected"),
    [
        (WELL, {}, PASS),
        (replace(WELL, primary=""), {}, FAIL),
        (replace(WELL, primary="", silent="a:1"), {}, FAIL),
        (replace(WELL, members=(WELL.members[0], DOWN)), {}, FAIL),
        (replace(WELL, members=(WELL.members[0], member("b:1", "SECONDARY", 60.0))), {}, FAIL),
        (replace(WELL, members=(WELL.members[0], member("b:1", "RECOVERING", None))), {}, FAIL),
        (replace(WELL, members=(WELL.members[0], member("b:1", "SECONDARY", None))), {}, UNKNOWN),
        (replace(WELL, connections_left=3), {}, FAIL),
        (replace(WELL, window_seconds=600.0), {"window_hours": 2}, FAIL),
        (replace(WELL, window_seconds=None), {"window_hours": 2}, UNKNOWN),
        (replace(WELL, slow=("query on shop.orders: 9 s",)), {"slow": 0}, FAIL),
        (replace(WELL, slow=None), {"slow": 0}, UNKNOWN),
        (AWAY, {}, UNKNOWN),
    ],
    ids=[
        "well", "no primary", "primary silent", "member down", "lag", "recovering", "lag not known", "connections",
        "short oplog", "oplog not known", "slow", "slow not known", "not asked",
    ],
)  # fmt: skip
def test_mongo(world: World, answer: ReplicaState | OutsideError, given: dict[str, Any], expected: StepState) -> None:
    world.mongo.answer = answer
    assert world.run("mongo", given).state is expected


SOON, LATER = datetime(2026, 11, 26, tzinfo=UTC), datetime(2027, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "given", "expected"),
    [
        ({}, {}, PASS),
        ({}, {"address": "nobody:1"}, FAIL),
        ({}, {"address": "db"}, PASS),
        ({"connected": Connected(0.1, "refused")}, {}, FAIL),
        ({"connected": AWAY}, {}, UNKNOWN),
        ({"away": AWAY}, {}, UNKNOWN),
        ({"shown": Certificate(LATER, 0.1)}, {"address": "db:443", "tls": True}, PASS),
        ({"shown": Certificate(SOON, 0.1)}, {"address": "db:443", "tls": True}, FAIL),
        ({"shown": Certificate(None, 0.1, "self-signed")}, {"address": "db:443", "tls": True}, FAIL),
        ({"shown": Certificate(None, 0.1)}, {"address": "db:443", "tls": True}, UNKNOWN),
        ({}, {"place": "nowhere"}, UNKNOWN),
    ],
    ids=[
        "all places", "no such name", "a name alone", "refused", "not tried", "no name servers", "certificate",
        "certificate ends", "certificate not believed", "certificate says nothing", "no such place",
    ],
)  # fmt: skip
def test_network(world: World, change: dict[str, Any], given: dict[str, Any], expected: StepState) -> None:
    for name, value in change.items():
        setattr(world.network, name, value)
    assert world.run("network", given).state is expected


def samples(*values: float) -> tuple[Sample, ...]:
    return tuple(Sample({"instance": str(number)}, value) for number, value in enumerate(values))


@pytest.mark.parametrize(
    ("answer", "given", "expected"),
    [
        (samples(0.5), {"above": 1}, PASS),
        (samples(0.5, 1.5), {"above": 1}, FAIL),
        (samples(0.1), {"below": 0.15}, FAIL),
        (samples(float("nan")), {"above": 1}, UNKNOWN),
        (samples(2.0, float("nan")), {"above": 1}, UNKNOWN),
        ((), {"above": 1}, UNKNOWN),
        ((), {"absent": True}, PASS),
        (AWAY, {"above": 1}, UNKNOWN),
    ],
    ids=["kept", "above", "below", "nan", "one nan", "nothing", "nothing wanted", "not asked"],
)
def test_promql(world: World, answer: Any, given: dict[str, Any], expected: StepState) -> None:
    world.metrics.answer = answer
    assert world.run("promql", {"query": "up", **given}).state is expected


def test_a_label_in_promql_is_a_string_literal_whatever_it_says(world: World) -> None:
    world.metrics.answer = samples(1.0)
    world.run("promql", {"query": 'up{job="${job}"}'}, {"job": 'x"} or vector(1) #\\'})
    assert world.metrics.asked == ['up{job="x\\"} or vector(1) #\\\\"}']


@pytest.mark.parametrize(
    ("ended", "expected"),
    [(Finished(0, ""), PASS), (Finished(3, ""), FAIL), (Finished(None, ""), UNKNOWN)],
    ids=["0", "3", "stopped"],
)
def test_command(world: World, ended: Finished, expected: StepState) -> None:
    world.program.answer = ended
    found = world.run("command", {"program": "restart", "service": "${service}"}, {"service": "api"})
    assert (found.state, world.program.ran) == (expected, [("/bin/restart", "api")])


@pytest.mark.parametrize(
    ("given", "labels"),
    [
        ({"program": "restart", "service": "${service}"}, {"service": "-rf"}),
        ({"program": "restart", "service": "${service}"}, {"service": "a b; rm"}),
        ({"program": "restart", "service": "${service}"}, {}),
        ({"program": "restart"}, {}),
        ({"program": "restart", "service": "a", "other": "b"}, {}),
        ({"program": "shutdown"}, {}),
        ({"program": "wipe"}, {}),
    ],
    ids=["an option", "a shell line", "no label", "missing", "unknown", "not allowed", "destroys without a code"],
)
def test_a_command_that_is_not_as_configured_is_not_run(
    world: World, given: dict[str, str], labels: dict[str, str]
) -> None:
    with pytest.raises(Refusal):
        world.run("command", given, labels)
    assert world.program.ran == []


def test_a_program_is_stopped_when_its_worker_may_not_go_on(world: World) -> None:
    class Long(FakeProgram):
        """Beats until somebody stops it."""

        def run(self, words: Sequence[str], seconds: float, beat: Iterable[None] = ()) -> Finished:
            for _ in beat:
                self.ran.append(tuple(words))
            raise AssertionError("it was stopped")

    def check() -> None:
        if len(world.program.ran) == 3:
            raise AWAY

    world.program, world.check = Long(), check  # type: ignore[method-assign]
    with pytest.raises(OutsideError) as caught:
        world.run("command", {"program": "restart", "service": "api"})
    assert caught.value is AWAY
    assert world.program.ran == [("/bin/restart", "api")] * 3


@pytest.mark.parametrize(("well", "expected"), [(True, PASS), (False, FAIL)], ids=["kept", "failed"])
def test_backup_follows_the_job_to_its_end(world: World, well: bool, expected: StepState) -> None:
    world.backups.answer = (well, Text("It ended."))
    assert world.run("backup").state is expected
    assert world.backups.begun == [("shop", "U0SARA")]
    assert world.checks == 2


def test_a_backup_that_goes_on_too_long_is_not_known(world: World) -> None:
    world.backups.looks = 10_000
    assert world.run("backup").state is UNKNOWN


def test_silence_is_about_exactly_the_alert_of_the_run(world: World) -> None:
    labels = {"alertname": "Slow", "instance": "a"}
    assert world.run("silence", {"minutes": 15}, labels).state is PASS
    assert [(said, by) for said, _, by in world.alertmanager.silenced] == [(matchers.of(labels), "U0SARA")]
    with pytest.raises(Refusal):
        world.run("silence")


def test_a_silence_that_alertmanager_did_not_take_is_no_pass(world: World) -> None:
    world.alertmanager.away = AWAY
    with pytest.raises(OutsideError):
        world.run("silence", labels={"alertname": "Slow"})


def test_wait_waits_and_can_be_stopped(world: World) -> None:
    began = world.clock.now()
    assert world.run("wait", {"seconds": 90}).state is PASS
    assert (world.clock.now() - began).total_seconds() == 90
    assert world.checks >= 90


def test_notify_tells_the_channel(world: World) -> None:
    assert world.run("notify", {"text": "${job} is slow", "channel": "C0TEAM"}, {"job": "<!here>"}).state is PASS
    assert world.notices.told == [("C0TEAM", "<!here> is slow")]


@pytest.mark.parametrize(
    ("ended", "page", "expected"),
    [
        (Finished(0, ""), Page(200), PASS),
        (Finished(0, ""), Page(503), FAIL),
        (Finished(0, ""), AWAY, UNKNOWN),
        (Finished(1, ""), Page(200), FAIL),
        (Finished(None, ""), Page(200), UNKNOWN),
    ],
    ids=["well", "health does not come", "health not known", "failed", "stopped"],
)
def test_rollback_is_well_only_when_health_comes(world: World, ended: Finished, page: Any, expected: StepState) -> None:
    world.services.answer, world.web.answer = ended, page
    assert world.run("rollback").state is expected


def test_a_rollback_whose_plan_changed_since_the_code_does_nothing(world: World) -> None:
    class Moved(FakeServices):
        def look(self) -> Seen:
            self.now, now = {"shop": v("v3")}, self.now
            return Seen(now, self.before)

    world.services = Moved()
    with pytest.raises(Refusal, match="changed since"):
        world.run("rollback")
    assert world.services.puts == []


def test_a_rollback_with_nothing_to_do_is_not_offered(world: World) -> None:
    world.services.before = {"shop": v("v2")}
    with pytest.raises(Refusal, match="nothing to roll back"):
        world.run("rollback")


def test_the_rollback_command_is_given_what_was_planned_and_no_shell(world: World) -> None:
    world.program.answer = Finished(0, "api v2 v1\nweb r7 r7\n")
    pair = CommandPair(world.program, ["plan"], ["back", "--now"])
    seen = pair.look()
    assert (seen.running, seen.previous) == ({"api": v("v2"), "web": v("r7")}, {"api": v("v1"), "web": v("r7")})
    pair.put([Change("api", v("v2"), v("v1"))], 5)
    assert world.program.ran[-1] == ("back", "--now", "api=v1")


@pytest.mark.parametrize(
    ("ended", "said"),
    [(Finished(2, "no such project"), "no such project"), (Finished(None, ""), "nothing")],
    ids=["failed", "stopped"],
)
def test_a_plan_command_that_did_not_end_well_plans_nothing_and_its_words_are_told(
    world: World, ended: Finished, said: str
) -> None:
    world.program.answer = ended
    with pytest.raises(OutsideError, match=f"did not say what it would do: {said}"):
        CommandPair(world.program, ["plan"], ["back"]).look()


@pytest.mark.parametrize(
    "line", ["api v2", "api v2 v1 v0", "-x v2 v1", "api v2 $(id)", "api v2 v1\napi v3 v1", "a;b c d"]
)
def test_a_plan_that_is_not_one_is_refused(line: str) -> None:
    with pytest.raises(OutsideError):
        parsed(line)


HOSTILE = [
    "; rm -rf /", "$(id)", "`id`", "../../etc/passwd", "-oProxyCommand=x", "a\nb", "http://evil", "169.254.169.254/x",
    "a b", "%2e%2e", "..", "\u202ea", "<!channel>", "x" * 5000, "", "user@host", "a?b#c", "\x00",
]  # fmt: skip


@pytest.mark.parametrize("kind", ["word", "host", "address", "port", "number", "whole"])
@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_label_never_reaches_a_typed_argument(kind: str, value: str) -> None:
    with pytest.raises(Refusal) as caught:
        arguments.filled("it", kind, "${x}", {"x": value})
    assert 0 < len(str(caught.value)) < 500


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_label_never_changes_where_an_address_points(value: str) -> None:
    with pytest.raises(Refusal):
        arguments.filled("url", "url", "http://backend/items/${x}/state", {"x": value})


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://backend:99999/", "http://backend:0/", "http://a:b/", "http:///x"]
)
def test_what_only_looks_like_an_address_is_none(url: str) -> None:
    assert arguments.wrong("url", url) == "expected an address that begins with http:// or https://"
    with pytest.raises(Refusal, match="expected an address"):
        arguments.filled("url", "url", url, {})


def test_an_argument_is_at_most_so_long() -> None:
    most = arguments.MOST_CHARACTERS
    assert arguments.wrong("promql", "x" * most) == ""
    assert arguments.wrong("promql", "x" * (most + 1)) == f"longer than {most} characters"


@given(st.text(max_size=60), st.sampled_from(["word", "host", "address", "port", "number", "whole", "text", "url"]))
def test_whatever_a_label_says_an_argument_fits_its_type_or_is_refused(value: str, kind: str) -> None:
    template = "http://backend/${x}" if kind == "url" else "${x}"
    try:
        filled = arguments.filled("it", kind, template, {"x": value})
    except Refusal:
        return
    assert arguments.TYPES[kind].pattern.fullmatch(filled)
    assert "\n" not in filled
    assert kind in {"text", "number"} or not filled.startswith("-")
    assert kind != "url" or filled.startswith("http://backend/")


@given(st.text(max_size=100))
def test_a_label_in_promql_stays_inside_its_quotes(value: str) -> None:
    try:
        filled = arguments.filled("query", "promql", 'up{a="${x}",b="c"}', {"x": value})
    except Refusal:
        return
    inside = filled.removeprefix('up{a="').removesuffix('",b="c"}')
    assert inside.replace("\\\\", "").replace('\\"', "").count('"') == 0
    assert not (len(inside) - len(inside.rstrip("\\"))) % 2


@dataclass
class FakeChatTokens:
    """The bot's token of the chat."""

    token: ChatToken

    def look(self) -> ChatToken:
        return self.token


@pytest.mark.parametrize(
    ("token", "used", "expected"),
    [
        (None, "no", UNKNOWN),
        (ChatToken(stored=False), "no", UNKNOWN),
        (ChatToken(stored=True, changed=True), "no", PASS),
        (ChatToken(stored=True, changed=False), "no", FAIL),
        (ChatToken(stored=True, changed=True, why="invalid_auth"), "no", FAIL),
        (ChatToken(stored=True, changed=False), "yes", PASS),
        (ChatToken(stored=True, changed=True), "yes", FAIL),
        (ChatToken(stored=True, changed=False, why="token_revoked"), "yes", FAIL),
    ],
    ids=lambda each: str(each).replace("ChatToken", ""),
)
def test_a_token_of_slack_is_new_and_let_in_and_then_the_one_in_use(
    world: World, token: ChatToken | None, used: str, expected: StepState
) -> None:
    eyes = Eyes(world.web, world.network, world.clock, chat=None if token is None else FakeChatTokens(token))
    assert looks.slack_token(eyes, {"used": used}, 5).state is expected
