"""Updates: the acknowledged monthly round, what the host says, and versions against dated life cycles."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import tests.lifecycles
from bot.adapters.command import LocalProgram
from handlers.checks import lifecycles
from handlers.checks.lifecycles import SHIPPED, Lifecycles, supported
from handlers.checks.updates import Host, UpdatesCheck, host, said
from handlers.core.door.alarms import Alarms
from handlers.core.door.records import Jobs
from handlers.core.formats.evidence import Verdict
from handlers.core.health.upkeep import MOST, UpkeepBook
from handlers.core.runbooks.probes import Finished
from handlers.core.words.answers import JobId, Press, TargetName
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Text
from handlers.updates import DONE, LOOK_SECONDS, Updates, task_card
from tests.fakes import FakeClock, FakeEntropy, MemoryAudit, MemoryState, someone
from tests.handlers.test_health_checks import WELL

SHOP = TargetName("shop")
PASS, FAIL, UNKNOWN = Verdict.PASS, Verdict.FAIL, Verdict.UNKNOWN
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = {"security": "0", "reboot": "no", "refreshed": "2026-11-23T06:00:00Z"}
KNOWN = Lifecycles(
    {"node": date(2026, 11, 1), "mongodb": date(2026, 11, 1)},
    {"node": {"22": date(2027, 4, 30)}, "mongodb": {"7.0": date(2027, 8, 31)}},
)
# Each product is known as of a day of its own.
KEPT = Lifecycles(
    {"node": date(2026, 2, 28), "electron": date(2026, 11, 20), "mongodb": date(2026, 2, 28)},
    {
        "node": {"18": date(2025, 4, 30), "22": date(2027, 4, 30)},
        "electron": {"13": True, "44": False, "45": False},
        "mongodb": {"6.0": date(2025, 7, 31), "7.0": date(2027, 8, 31)},
    },
)
SCRIPT = Path(__file__).parents[2] / "deploy" / "updates" / "host-updates"


@pytest.mark.parametrize(
    ("change", "name", "verdict"),
    [
        ({}, "pending updates", PASS),
        ({"security": "3"}, "pending updates", FAIL),
        ({"security": ""}, "pending updates", UNKNOWN),
        ({"security": "-1"}, "pending updates", UNKNOWN),
        ({"refreshed": "2026-11-01T06:00:00Z"}, "pending updates", UNKNOWN),
        ({"refreshed": "2027-11-01T06:00:00Z"}, "pending updates", UNKNOWN),
        ({"refreshed": ""}, "pending updates", UNKNOWN),
        ({}, "reboot", PASS),
        ({"reboot": "yes"}, "reboot", FAIL),
        ({"reboot": "perhaps"}, "reboot", UNKNOWN),
        ({"node": "22.11.0"}, "node version", PASS),
        ({"node": "v18.20.0"}, "node version", UNKNOWN),
    ],
)
def test_a_host_is_judged_by_its_lines(change: dict[str, str], name: str, verdict: Verdict) -> None:
    assert {each.name: each.verdict for each in host({**GOOD, **change}, NOW, KNOWN)}[name] is verdict


@pytest.mark.parametrize(
    ("product", "version", "today", "verdict"),
    [
        ("node", "v18.20.0", date(2026, 3, 1), FAIL),
        ("node", "22.11.0", date(2026, 3, 1), PASS),
        ("node", "22.11.0", date(2026, 4, 5), UNKNOWN),
        ("node", "18.20.0", date(2030, 1, 1), FAIL),
        ("node", "99.0.0", date(2026, 3, 1), UNKNOWN),
        ("node", "nonsense", date(2026, 3, 1), UNKNOWN),
        ("electron", "13.6.9", date(2026, 3, 1), FAIL),
        ("electron", "44.1.0", date(2026, 11, 24), PASS),
        ("electron", "44.1.0", date(2026, 12, 26), UNKNOWN),
        ("electron", "46.0.0", date(2026, 11, 24), UNKNOWN),
        ("mongodb", "7.0.14", date(2026, 3, 1), PASS),
        ("mongodb", "6.0.27", date(2026, 3, 1), FAIL),
        ("mongodb", "7.0.14", date(2026, 11, 24), UNKNOWN),
    ],
)
def test_support_is_believed_for_35_days_and_an_end_for_ever(
    product: str, version: str, today: date, verdict: Verdict
) -> None:
    assert supported(product, version, KEPT, today).verdict is verdict


def test_newer_life_cycles_come_from_a_file_and_what_is_wrong_with_it_is_told() -> None:
    known, problems = lifecycles.read({"at": date(2026, 11, 20), "node": {24: date(2028, 4, 30)}})
    assert problems == ()
    assert supported("node", "24.1.0", known, date(2026, 11, 24)).verdict is PASS
    apart, wrong = lifecycles.read({"at": {"electron": date(2026, 11, 20)}, "electron": {45: False}})
    assert wrong == ()
    assert supported("electron", "45.0.1", apart, date(2026, 11, 24)).verdict is PASS
    assert supported("node", "24.1.0", apart, date(2026, 11, 24)).verdict is UNKNOWN
    assert lifecycles.read({"at": {"electron": date(2026, 11, 20)}, "node": {24: date(2028, 4, 30)}})[1]
    assert lifecycles.read({"node": {}})[1]
    assert lifecycles.read({"at": date(2026, 11, 20), "node": {"24": "soon"}})[1]


def test_what_ships_is_written_as_the_registry_says_it() -> None:
    schedule = {"v0.12": {"end": "2016-12-31"}, "v24": {"start": "2025-04-22", "end": "2028-04-30"}}
    assert tests.lifecycles.node(schedule) == {"24": date(2028, 4, 30)}
    published = {
        "created": "2014-01-01T00:00:00Z", "4.0.0": "2026-01-01T00:00:00Z", "5.0.0-beta.1": "2026-12-01T00:00:00Z",
        "3.1.0": "2026-02-03T00:00:00Z",
    }  # fmt: skip
    at, ends = tests.lifecycles.electron(published)
    assert at == date(2026, 2, 3), "a beta says nothing of what is stable"
    assert ends == {"1": True, "2": False, "3": False, "4": False}


def test_what_ships_reads_back_as_it_was_written_and_is_of_no_day_to_come() -> None:
    assert tests.lifecycles.FILE.read_text() == tests.lifecycles.spelled(SHIPPED)
    assert set(SHIPPED.at) == set(SHIPPED.ends) == set(lifecycles.PRODUCTS)
    assert max(SHIPPED.at.values()) <= datetime.now(UTC).date()


class Server:
    """MongoDB's word on its version."""

    def __init__(self, *, broken: bool = False) -> None:
        self._broken = broken

    def facts(self, seconds: float) -> Any:
        if self._broken:
            raise OutsideError(Text("MongoDB could not be asked."))
        return replace(WELL, version="7.0.14")


class Program:
    """A host that answers as a test says."""

    def __init__(self, ended: Finished | None) -> None:
        self._ended = ended

    def run(self, words: Any, seconds: float, beat: Any = ()) -> Finished:
        if self._ended is None:
            raise OutsideError(Text("ssh cannot be started."))
        return self._ended


def looked(ended: Finished | None, *, words: tuple[str, ...] = ("ask",), broken: bool = False) -> dict[str, Verdict]:
    clock = FakeClock(NOW)
    book = UpkeepBook(MemoryState(clock))
    check = UpdatesCheck(book, Host(Program(ended), words), Server(broken=broken), KNOWN, clock)
    return {each.name: each.verdict for each in check(SHOP, 5)}


def test_a_host_that_cannot_be_asked_is_not_known() -> None:
    for ended in (None, Finished(1, "security 0"), Finished(None, "")):
        assert looked(ended)["pending updates"] is UNKNOWN
    assert looked(Finished(0, ""), words=())["pending updates"] is UNKNOWN
    whole = looked(Finished(0, "security 0\nreboot no\nrefreshed 2026-11-23T06:00:00Z\n"))
    assert (whole["pending updates"], whole["reboot"], whole["mongodb version"]) == (PASS, PASS, PASS)
    assert looked(Finished(0, ""), broken=True)["mongodb version"] is UNKNOWN


def test_the_script_for_debian_says_what_the_check_reads() -> None:
    if not Path("/usr/bin/apt-get").exists():
        pytest.skip("this is no Debian")
    subprocess.run(["/bin/sh", "-n", str(SCRIPT)], check=True)
    ended = LocalProgram().run([str(SCRIPT)], 60)
    assert ended.code == 0
    lines = said(ended.output)
    assert {"security", "reboot", "refreshed"} <= set(lines)
    found = {each.name: each.verdict for each in host(lines, datetime.now(UTC), KNOWN)}
    assert found["reboot"] in {PASS, FAIL}


# -- the round -------------------------------------------------------------------------------------------------------


class House:
    """Two workers over one state."""

    def __init__(self, channel: str = "C0OPS") -> None:
        self.clock = FakeClock(NOW)
        self.state, self.audit = MemoryState(self.clock), MemoryAudit()
        self.book = UpkeepBook(self.state)
        alarms = Alarms(self.state, self.audit, self.clock, FakeEntropy())
        self.workers = [Updates(self.book, alarms, self.clock, [SHOP], someone("schedule"), channel) for _ in range(2)]

    def round(self) -> None:
        self.clock.advance(LOOK_SECONDS + 1)
        for each in self.workers:
            each.round()

    def cards(self) -> list[str]:
        jobs = Jobs(self.state)
        names = sorted(key.removeprefix("job:") for key in self.state.keys("job:"))
        return [str(task_card(job).title) for name in names if (job := jobs.load(JobId(name))) is not None]

    def press(self, value: str = "shop", person: str = "U0SARA") -> str:
        return str(self.workers[0].press(Press(DONE, value, someone(person), "C0OPS")).title)

    def verdict(self) -> Verdict:
        check = UpdatesCheck(self.book, Host(Program(None), ()), Server(), KNOWN, self.clock)
        return {each.name: each.verdict for each in check(SHOP, 5)}["monthly round"]


def test_one_card_reminds_until_somebody_presses_and_then_says_who() -> None:
    house = House()
    assert house.verdict() is UNKNOWN
    house.round()
    house.round()
    assert house.cards() == ["Security updates of shop are due"]
    assert "on record" in house.press()
    assert house.cards() == ["The month's security updates of shop are made"]
    assert house.verdict() is PASS
    house.round()
    assert len(house.cards()) == 1
    house.clock.advance(28 * 86_400)
    house.round()
    assert house.cards().count("Security updates of shop are due") == 1
    assert house.verdict() is PASS
    house.clock.advance(8 * 86_400)
    assert house.verdict() is FAIL


def test_a_press_counts_once_a_day_and_the_history_is_kept() -> None:
    house = House()
    for _ in range(MOST + 4):
        house.press()
        assert "already" in house.press(person="U0OMID")
        house.clock.advance(31 * 86_400)
    history = house.book.history(SHOP)
    assert len(history) == MOST
    assert {each.person for each in history} == {"U0SARA"}


def test_a_press_for_no_target_of_ours_is_refused() -> None:
    with pytest.raises(Refusal, match="no target"):
        House().press("elsewhere")


def test_without_a_channel_nobody_is_reminded() -> None:
    house = House("")
    house.round()
    assert house.cards() == []
