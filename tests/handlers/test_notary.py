"""The notary seals, archives and tells; a record that was tampered with is an alarm and is copied no further."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from bot.adapters.audit_file import AuditFile, read_lines
from bot.adapters.signing import fits
from handlers.core.door.alarms import Alarms
from handlers.core.door.records import Jobs
from handlers.core.sealing.examination import Examiner
from handlers.core.sealing.heads import HeadBoard, Heads
from handlers.core.sealing.notary import ARCHIVE_SECONDS, LOOK_SECONDS, SEAL_SECONDS, Notary, Office
from handlers.core.sealing.seals import sealed
from handlers.core.sealing.segments import Archive
from handlers.core.sealing.witness import Witness
from handlers.core.words.answers import Actor, JobId, PersonId, Surface, TargetName
from handlers.core.words.audit import AuditEvent
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import Job
from handlers.core.words.text import Text
from handlers.trail import TrailHandler
from tests.audit_chains import SIGNER
from tests.fakes import FakeClock, FakeEntropy, Faults, MemoryState, MemoryStore, someone
from tests.handlers.test_audit import head_of

HOST = Actor(PersonId("schedule"), "T0LOCAL", Surface.SCHEDULE)
PAUSE_MINUTES = 60


class Setting:
    """A record, its notary, and everything around them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock, self.faults = FakeClock(), Faults()
        self.state = MemoryState(self.clock)
        self.store = MemoryStore(self.clock, self.faults, lock_mode="COMPLIANCE")
        self.file = AuditFile(path, self.clock.now)
        self.archive = Archive(self.store, 30)
        self.alarms = Alarms(self.state, self.file, self.clock, FakeEntropy())
        self.notary = self.another()

    def another(self) -> Notary:
        """A notary of another process."""
        examine = Examiner(fits, {SIGNER.public}, self.archive)
        heads = Heads(self.state, self.clock, timedelta(minutes=PAUSE_MINUTES))
        office = Office(lambda: (SIGNER,), self.archive, examine, heads, self.alarms, self.clock, HOST, "C0OPS")
        return Notary(AuditFile(self.path, self.clock.now), office)

    def write(self, event: str = "event", count: int = 1) -> None:
        for _ in range(count):
            self.file.write(AuditEvent(event, "allow", someone()))

    def later(self, seconds: float, notary: Notary | None = None) -> None:
        """Time goes by, with a look at its end."""
        self.clock.advance(seconds)
        (notary or self.notary).round()

    @property
    def lines(self) -> list[bytes]:
        return list(read_lines(self.path))

    @property
    def events(self) -> list[str]:
        return [json.loads(raw)["event"] for raw in self.lines]

    def archived(self) -> list[tuple[int, int]]:
        return [(each.first, each.size) for each in self.archive.segments()]

    def alarm(self) -> Job | None:
        """The alarm about the record, if there was one."""
        found = [job for key in self.state.keys("job:") if (job := Jobs(self.state).load(_id(key))) is not None]
        return next((job for job in found if job.plan.operation.startswith("audit.")), None)


def _id(key: str) -> JobId:
    return JobId(key.partition(":")[2])


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path / "audit.jsonl")


def test_what_was_written_is_sealed_within_a_minute_and_a_seal_alone_is_not(setting: Setting) -> None:
    setting.write(count=3)
    setting.later(LOOK_SECONDS)
    assert setting.events == ["event"] * 3 + ["audit.sealed"]
    setting.write()
    setting.later(LOOK_SECONDS)
    assert setting.events[-1] == "event"
    setting.later(SEAL_SECONDS)
    assert setting.events[-2:] == ["event", "audit.sealed"]
    size = len(setting.lines)
    for _ in range(30):
        setting.later(SEAL_SECONDS)
    assert len(setting.lines) == size


def test_what_began_with_a_code_is_sealed_and_copied_at_the_next_look(setting: Setting) -> None:
    setting.write()
    setting.later(LOOK_SECONDS)
    assert setting.archived() == [(0, 2)]
    setting.write("code.accepted")
    setting.later(LOOK_SECONDS)
    assert setting.events[-1] == "audit.sealed"
    assert setting.archived() == [(0, 2), (2, 4)]


def test_the_rest_is_copied_within_an_hour_and_locked(setting: Setting) -> None:
    setting.write()
    setting.later(LOOK_SECONDS)
    setting.write(count=5)
    setting.later(SEAL_SECONDS)
    assert setting.archived() == [(0, 2)]
    setting.later(ARCHIVE_SECONDS)
    assert setting.archived() == [(0, 2), (2, 8)]
    assert list(setting.archive.lines(head_of(setting.lines[0]))) == setting.lines
    for artifact in setting.store.list("audit/"):
        receipt = setting.store.receipt(artifact.key)
        assert receipt is not None
        assert receipt.locked_until is not None
        assert (receipt.locked_until - setting.clock.now()).days >= 29


def test_a_notary_that_begins_goes_on_where_the_copies_end(setting: Setting) -> None:
    setting.write(count=3)
    setting.later(LOOK_SECONDS)
    setting.write(count=2)
    setting.later(LOOK_SECONDS, setting.another())
    assert setting.archived() == [(0, 4), (4, 7)]
    setting.later(ARCHIVE_SECONDS)
    assert setting.archived() == [(0, 4), (4, 7)]


def test_a_long_record_without_copies_is_brought_in_pieces(setting: Setting, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("handlers.core.sealing.notary.MOST", 4)
    setting.write(count=9)
    setting.later(LOOK_SECONDS)
    assert setting.archived() == [(0, 4), (4, 8), (8, 10)]


def test_a_store_that_is_away_is_tried_again(setting: Setting) -> None:
    setting.write("code.accepted")
    setting.faults.fail("store.put_new")
    with pytest.raises(OutsideError):
        setting.later(LOOK_SECONDS)
    assert setting.archived() == []
    setting.later(LOOK_SECONDS)
    assert setting.archived() == [(0, 2)]


def test_what_another_sealed_and_could_not_copy_is_copied(setting: Setting) -> None:
    setting.write("code.accepted")
    setting.faults.fail("store.put_new")
    with pytest.raises(OutsideError):
        setting.later(LOOK_SECONDS)
    assert setting.events[-1] == "audit.sealed"
    setting.later(LOOK_SECONDS, setting.another())
    assert setting.archived() == [(0, 2)]


def test_an_idle_record_that_is_rewritten_at_its_length_is_an_alarm_within_the_hour(setting: Setting) -> None:
    setting.write(count=3)
    setting.later(LOOK_SECONDS)
    setting.path.write_bytes(setting.path.read_bytes().replace(b"U0SARA", b"U0OMID", 1))
    setting.later(ARCHIVE_SECONDS)
    alarm = setting.alarm()
    assert alarm is not None
    assert alarm.outcome is not None
    assert "record 0: was changed" in str(alarm.outcome.text)


@dataclass(frozen=True)
class Damage:
    """How a record is harmed between two looks."""

    name: str
    do: Callable[[Setting, list[bytes]], None]
    says: str


def _cut(setting: Setting, lines: list[bytes]) -> None:
    setting.path.write_bytes(b"".join(lines[:2]))


def _gone(setting: Setting, lines: list[bytes]) -> None:
    setting.path.unlink()


def _replaced(setting: Setting, lines: list[bytes]) -> None:
    """As long as it was, the same chain in its beginning, other events in its end."""
    setting.path.write_bytes(b"".join(lines[:3]))
    other = AuditFile(setting.path, setting.clock.now)
    while len(list(read_lines(setting.path))) < len(lines) + 2:
        other.write(AuditEvent("other", "allow", None))


DAMAGES = [
    Damage("cut off", _cut, "shorter"),
    Damage("gone", _gone, "no audit record"),
    Damage("replaced", _replaced, "copied elsewhere"),
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.name)
def test_a_record_that_was_tampered_with_is_an_alarm_and_is_copied_no_further(setting: Setting, damage: Damage) -> None:
    setting.write(count=5)
    setting.later(LOOK_SECONDS)
    lines, archived = setting.lines, setting.archived()
    damage.do(setting, lines)
    setting.later(LOOK_SECONDS)
    setting.later(ARCHIVE_SECONDS)
    alarm = setting.alarm()
    assert alarm is not None
    assert alarm.outcome is not None
    assert damage.says in str(alarm.outcome.text)
    assert "was tampered with" in str(TrailHandler(list).describe(alarm).title)
    if damage.name != "gone":
        assert setting.archived() == archived
    setting.path.write_bytes(b"".join(lines))
    setting.write("code.accepted")
    setting.later(LOOK_SECONDS)
    setting.later(ARCHIVE_SECONDS)
    alarm = setting.alarm()
    assert alarm is not None
    assert "looked after" in str(TrailHandler(list).describe(alarm).title)


def told(setting: Setting) -> list[str]:
    """What the channel is shown, day after day."""
    board = HeadBoard(setting.state, "C0AUDIT")
    found = []
    for key in setting.state.keys("head:"):
        posting = board.posting(key.removeprefix("head:"), shown=False)
        assert posting is not None
        assert posting.channel == "C0AUDIT"
        found += [str(posting.card.lines[0]), *map(str, posting.notes)]
    return found


def test_the_channel_is_told_the_head_at_most_every_hour_and_once_a_day(setting: Setting) -> None:
    setting.write()
    setting.later(LOOK_SECONDS)
    assert told(setting) == [f"--anchor 0:{head_of(setting.lines[0])}"]
    setting.write()
    setting.later(SEAL_SECONDS)
    assert len(told(setting)) == 1
    setting.later(PAUSE_MINUTES * 60)
    assert told(setting)[1:] == [f"--anchor 2:{head_of(setting.lines[2])}"]
    first = told(setting)[0]
    for _ in range(5):
        setting.later(PAUSE_MINUTES * 60)
    assert len(told(setting)) == 2
    setting.later(86_400)
    assert told(setting)[0] == first
    assert told(setting)[2:] == [f"--anchor 2:{head_of(setting.lines[2])}"]


def test_whoever_tells_knows_that_they_did_and_without_a_channel_nothing_is_shown(setting: Setting) -> None:
    heads = Heads(setting.state, setting.clock, timedelta(minutes=PAUSE_MINUTES))
    seal = sealed("a" * 64, 7, "b" * 64, setting.clock.now().isoformat(), SIGNER)
    assert heads.tell(seal)
    assert not heads.tell(seal)
    [key] = setting.state.keys("head:")
    assert HeadBoard(setting.state, "").posting(key.removeprefix("head:"), shown=False) is None
    assert HeadBoard(setting.state, "C0AUDIT").posting("another-day", shown=False) is None
    setting.clock.advance(2.9 * 86_400)
    assert HeadBoard(setting.state, "C0AUDIT").posting(key.removeprefix("head:"), shown=True) is not None, "a weekend"


def test_two_notaries_tell_a_head_once(setting: Setting) -> None:
    setting.write()
    other = setting.another()
    setting.later(LOOK_SECONDS)
    setting.later(LOOK_SECONDS, other)
    assert len(told(setting)) == 1
    assert len(setting.lines) == 2


def test_a_notary_looks_once_in_ten_seconds(setting: Setting) -> None:
    setting.write()
    setting.later(LOOK_SECONDS)
    setting.write("code.accepted")
    setting.later(LOOK_SECONDS - 1)
    assert setting.events[-1] == "code.accepted"
    setting.later(1)
    assert setting.events[-1] == "audit.sealed"


def test_where_there_is_no_record_yet_nothing_is_sealed_and_nobody_is_alarmed(setting: Setting) -> None:
    setting.later(LOOK_SECONDS)
    assert (setting.alarm(), setting.archived(), setting.path.exists()) == (None, [], False)
    setting.path.touch()
    setting.later(LOOK_SECONDS)
    setting.later(SEAL_SECONDS)
    assert (setting.alarm(), setting.archived(), setting.lines) == (None, [], [])
    setting.write()
    setting.later(SEAL_SECONDS)
    assert setting.archived() == [(0, 2)]


def test_without_a_channel_for_heads_the_record_is_sealed_and_copied_all_the_same(setting: Setting) -> None:
    examine = Examiner(fits, {SIGNER.public}, setting.archive)
    office = Office(lambda: (SIGNER,), setting.archive, examine, None, setting.alarms, setting.clock, HOST, "C0OPS")
    setting.write()
    setting.later(LOOK_SECONDS, Notary(AuditFile(setting.path, setting.clock.now), office))
    assert setting.archived() == [(0, 2)]
    assert told(setting) == []


def test_a_record_that_is_being_written_waits_for_the_next_look(setting: Setting) -> None:
    setting.write()
    setting.later(LOOK_SECONDS)
    setting.write("code.accepted")
    whole = setting.path.read_bytes()
    setting.path.write_bytes(whole[:-1])
    setting.later(LOOK_SECONDS)
    assert setting.archived() == [(0, 2)]
    setting.path.write_bytes(whole)
    setting.later(LOOK_SECONDS)
    assert setting.archived() == [(0, 2), (2, 4)]
    assert setting.alarm() is None


def test_what_only_looks_like_a_seal_is_an_alarm_and_does_not_stop_the_notary(setting: Setting) -> None:
    setting.write()
    setting.later(LOOK_SECONDS)
    setting.file.write(AuditEvent("audit.sealed", "allow", None, facts={"size": "all of it"}))
    setting.write("code.accepted")
    setting.later(LOOK_SECONDS)
    alarm = setting.alarm()
    assert alarm is not None
    assert alarm.outcome is not None
    assert "record 2: a seal that cannot be read" in str(alarm.outcome.text)
    assert setting.archived() == [(0, 2)]


class Full:
    """An Audit over another; its disk is full, until it is not."""

    def __init__(self, audit: AuditFile) -> None:
        self._audit = audit
        self.full = True

    def write(self, event: AuditEvent) -> None:
        if self.full:
            raise OutsideError(Text("The audit record cannot be written (the disk is full)."))
        self._audit.write(event)


def test_a_record_that_cannot_be_written_is_told_once_and_its_end_too(setting: Setting) -> None:
    inner = Full(setting.file)
    alarms = Alarms(setting.state, inner, setting.clock, FakeEntropy())
    witness = Witness(inner, alarms, HOST, "C0OPS")
    for _ in range(3):
        with pytest.raises(OutsideError, match="disk is full"):
            witness.write(AuditEvent("event", "allow", None))
    alarm = setting.alarm()
    assert alarm is not None
    assert str(TrailHandler(list).describe(alarm).title) == "The audit record cannot be written"
    inner.full = False
    Witness(inner, alarms, HOST, "C0OPS").write(AuditEvent("event", "allow", None))
    alarm = setting.alarm()
    assert alarm is not None
    assert "looked after" in str(TrailHandler(list).describe(alarm).title)


def test_a_witness_tells_every_time_the_record_is_lost_and_asks_nothing_while_it_is_well(setting: Setting) -> None:
    inner = Full(setting.file)
    inner.full = False
    faults = Faults()
    alarms = Alarms(setting.state.beside(faults), inner, setting.clock, FakeEntropy())
    witness = Witness(inner, alarms, HOST, "C0OPS")
    witness.write(AuditEvent("event", "allow", None))
    faults.calls.clear()
    witness.write(AuditEvent("event", "allow", None))
    assert faults.calls == []
    inner.full = True
    with pytest.raises(OutsideError):
        witness.write(AuditEvent("event", "allow", None))
    alarm = setting.alarm()
    assert alarm is not None
    card = TrailHandler(list).describe(alarm)
    assert "disk is full" in str(card.lines[0])
    inner.full = False
    witness.write(AuditEvent("event", "allow", None))
    assert not alarms.raised("audit.unwritable", TargetName("audit"))


def test_without_the_state_what_cannot_be_recorded_is_still_refused(setting: Setting) -> None:
    inner = Full(setting.file)
    alarms = Alarms(setting.state, inner, setting.clock, FakeEntropy())
    setting.state.away = True
    with pytest.raises(OutsideError, match="full"):
        Witness(inner, alarms, HOST, "C0OPS").write(AuditEvent("event", "allow", None))
