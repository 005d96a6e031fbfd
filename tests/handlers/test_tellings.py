"""What is told about second factors, and tickets that cannot be read."""

from __future__ import annotations

import json

import pytest

from handlers.core.door.alarms import Alarms
from handlers.core.door.records import Jobs
from handlers.core.door.seeds import recovery_codes, spelled
from handlers.core.door.tellings import Silent, Tellings, Told, enrolled_at_host, hard_locked, replayed
from handlers.core.door.tickets import TRIES, Ticket
from handlers.core.words.answers import JobId, PersonId
from handlers.core.words.errors import Damage
from tests.fakes import FakeClock, FakeEntropy, MemoryAudit, MemoryState, someone

SARA = PersonId("U0SARA")


TOLD = [hard_locked(SARA), replayed(SARA), enrolled_at_host(SARA)]


@pytest.mark.parametrize("told", TOLD, ids=lambda told: told.kind)
@pytest.mark.parametrize("channel", ["C0AUDIT", ""])
def test_the_person_is_told_and_the_audit_channel_where_there_is_one(told: Told, channel: str) -> None:
    clock = FakeClock()
    state = MemoryState(clock)
    Tellings(Alarms(state, MemoryAudit(), clock, FakeEntropy()), someone("negahban"), channel).tell(told)
    found = [Jobs(state).load(JobId(each.removeprefix("job:"))) for each in state.keys("job:")]
    said = {each.plan.channel: str(each.outcome.text) for each in found if each and each.outcome}
    assert said.keys() == {"U0SARA", *([channel] if channel else [])}
    if channel:
        assert "U0SARA" in said[channel]
        assert "U0SARA" not in said["U0SARA"], "they are spoken to"
    Silent().tell(told)


def test_the_audit_channel_can_unlock_who_was_locked() -> None:
    assert hard_locked(SARA).asks == {"action": "access_unlock", "value": "U0SARA"}
    assert replayed(SARA).asks == {}


def test_a_ticket_comes_back_as_it_was_and_another_thing_is_damage() -> None:
    ticket = Ticket("e1", "U0SARA", "workspace", "b" * 64, 1000, renews=True)
    assert Ticket.from_bytes(ticket.to_bytes()) == ticket
    assert (ticket.whose, ticket.tries, ticket.state) == ("U0SARA", TRIES, "invited")
    for stored in (b"", b"[]", b"{}", json.dumps({"enrolment": 1, "more": 2}).encode()):
        with pytest.raises(Damage):
            Ticket.from_bytes(stored)


def test_recovery_codes_are_ten_of_eighty_bits_and_spelled_in_fours() -> None:
    codes = recovery_codes(FakeEntropy())
    assert len(set(codes)) == 10
    assert {len(each) for each in codes} == {16}
    assert spelled("abcdefghijklmnop") == "abcd-efgh-ijkl-mnop"
