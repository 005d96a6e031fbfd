"""The bot's own keys, read where the engine keeps them: two are accepted while one follows the other."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.audit_file import AuditFile, read_lines
from bot.adapters.own_keys import Accepted, OwnValues
from bot.adapters.signing import Ed25519Signer, derived, fits
from bot.intake import ALERTMANAGER, Intake
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.sealing.examination import Examiner
from handlers.core.words.audit import AuditEvent
from handlers.core.words.errors import OutsideError, Refusal
from tests.fake_secrets import MemorySecrets
from tests.fakes import FakeClock, Faults, someone

VERSION = "n" * 20 + "-replace-" + "0" * 12


class Stand:
    """A store with a first value, and what reads it."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.secrets = MemorySecrets(FakeClock(), self.faults)
        self.first = self.secrets.put("own", b"first")
        self.values = OwnValues(self.secrets, "own")

    def staged(self) -> None:
        self.secrets.stage("own", VERSION, Sealed(b"second"), self.first)

    def promoted(self) -> None:
        self.staged()
        self.secrets.promote("own", VERSION, self.first)

    def seen(self) -> list[bytes]:
        return [each.reveal() for each in self.values.all()]


class NoAlerts:
    """Nothing is taken in."""

    def take_in(self, notice: object) -> None:
        raise AssertionError("an empty body is no notice")

    def take_report(self, tool: str, repo: str, ref: str, body: bytes) -> None:
        raise AssertionError("an empty body is no report")


def answer(intake: Intake, token: str) -> str:
    """The status of a request with an empty body."""
    told: list[str] = []
    environ: dict[str, Any] = {
        "PATH_INFO": ALERTMANAGER,
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.input": io.BytesIO(b""),
    }
    intake(environ, lambda status, headers: told.append(status))
    return told[0][:3]


def test_what_waits_and_what_was_before_is_accepted_beside_what_counts() -> None:
    stand = Stand()
    assert stand.seen() == [b"first"]
    stand.staged()
    assert stand.seen() == [b"first", b"second"]
    stand.secrets.promote("own", VERSION, stand.first)
    assert stand.seen() == [b"second", b"first"]
    stand.secrets.remove("own", stand.first)
    assert stand.seen() == [b"second"]


def test_a_value_is_read_once_for_each_version() -> None:
    stand = Stand()
    for _ in range(5):
        stand.seen()
    stand.promoted()
    for _ in range(5):
        stand.seen()
    assert stand.faults.calls.count("secrets.value") == 2


def test_a_place_without_a_value_is_said() -> None:
    with pytest.raises(Refusal, match="has no value yet"):
        OwnValues(MemorySecrets(FakeClock()), "own").current()


def test_the_webhook_lets_two_tokens_in_while_one_follows_the_other() -> None:
    stand = Stand()
    accepted = Accepted(stand.values)
    intake = Intake(NoAlerts(), accepted)
    steps: tuple[tuple[Callable[[], None], str, str], ...] = (
        (lambda: None, "400", "401"),
        (stand.staged, "400", "400"),
        (lambda: stand.secrets.promote("own", VERSION, stand.first), "400", "400"),
        (lambda: stand.secrets.remove("own", stand.first), "401", "400"),
    )
    for step, first, second in steps:
        step()
        accepted.round()
        assert (answer(intake, "first"), answer(intake, "second"), answer(intake, "")) == (first, second, "401")


def test_a_store_that_is_away_changes_nothing_for_the_webhook_and_before_the_first_look_nothing_is_judged() -> None:
    stand = Stand()
    accepted = Accepted(stand.values)
    intake = Intake(NoAlerts(), accepted)
    assert [answer(intake, each) for each in ("first", "wrong")] == ["503", "503"]
    accepted.round()
    stand.faults.fail("secrets.look")
    with pytest.raises(OutsideError):
        accepted.round()
    assert [answer(intake, each) for each in ("first", "wrong")] == ["400", "401"]


class Dying:
    """A signer whose process ends when it is to sign for the second time."""

    def __init__(self, signer: Ed25519Signer) -> None:
        self._signer = signer
        self._left = 1

    @property
    def public(self) -> str:
        return self._signer.public

    def sign(self, message: bytes) -> str:
        self._left -= 1
        if self._left < 0:
            raise KeyboardInterrupt
        return self._signer.sign(message)


def test_a_handover_that_was_interrupted_before_its_first_seal_is_not_made_twice(tmp_path: Path) -> None:
    former, signer = (Ed25519Signer(derived(each)) for each in (b"first", b"second"))
    file = AuditFile(tmp_path / "record")
    file.write(AuditEvent("event", "allow", someone()))
    file.seal(former)
    file.write(AuditEvent("event", "allow", someone()))
    with pytest.raises(KeyboardInterrupt):
        file.seal(Dying(signer), (former,))
    again = AuditFile(tmp_path / "record")
    again.seal(signer, (former,))
    again.write(AuditEvent("event", "allow", someone()))
    again.seal(signer, (former,))
    lines = list(read_lines(tmp_path / "record"))
    assert sum(b'"audit.key"' in each for each in lines) == 1
    for key in (former.public, signer.public):
        assert Examiner(fits, {key}, None)(lines).problem == ""
