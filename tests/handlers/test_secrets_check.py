"""/health secrets: every finding passes, fails and is not known; what hangs hides nothing else."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.adapters.aws.iam import CredentialReports, read
from bot.adapters.vault import Login, VaultSecrets
from bot.examining import Threads
from handlers.checks.secrets import SecretsCheck, accounts
from handlers.core.formats.evidence import Verdict
from handlers.core.health.accesses import ROOT, AccessKey, CloudUser, CredentialReport
from handlers.core.health.findings import Finding
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.rotation_journals import RotationJournal
from handlers.core.rotation.secret_stores import Report
from handlers.core.rotation.secrets import Kind, Managed, Secret, StoreSpec, Use
from handlers.core.words.answers import JobId, TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text
from sandbox.servers.openbao import OpenBao
from sandbox.servers.ports import free_port
from tests.conftest import needs
from tests.fake_secrets import FakeApp, MemorySecrets
from tests.fakes import FakeClock, FakeEntropy, Faults, MemoryStore

SHOP = TargetName("shop")
USE = Use("api", reports=("http://api/secrets",), health="http://api/health")
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


class Reporting(FakeApp):
    """Replicas that say what a test wants."""

    said: tuple[str, ...] = ()

    def reports(self, secret: str) -> tuple[Report, ...]:
        return tuple(Report(f"api-{at}", each) for at, each in enumerate(self.said))


class Ending:
    """A token of the bot."""

    def __init__(self, ends: datetime | None, broken: bool = False) -> None:
        self._ends, self._broken = ends, broken

    def ends(self) -> datetime | None:
        if self._broken:
            raise OutsideError(Text("Vault does not answer."))
        return self._ends


class House:
    """One secret, its store and its program."""

    def __init__(self) -> None:
        self.clock, self.faults = FakeClock(), Faults()
        self.store = MemorySecrets(self.clock, self.faults)
        self.version = self.store.put("jwt", b"value")
        self.app = Reporting(lambda: self.store.seen("jwt"))
        self.app.said = (self.version, self.version)
        secret = Secret("jwt", Kind.GENERIC, "app", "jwt", timedelta(days=90), uses=(USE,))
        managed = Managed({"app": StoreSpec("app", "files", "/x")}, {"jwt": secret})
        artifacts = MemoryStore(self.clock, faults=self.faults)
        estate = Estate(managed, {"app": self.store}, {"jwt": {"api": self.app}}, artifacts, self.clock, FakeEntropy())
        self.check = SecretsCheck(estate, Threads(), self.clock)

    def found(self, seconds: float = 5) -> dict[str, Finding]:
        return {each.name: each for each in self.check(SHOP, seconds)}


@pytest.fixture
def house() -> House:
    return House()


@pytest.mark.parametrize(
    ("days", "verdict"),
    [(1, Verdict.PASS), (88, Verdict.PASS), (91, Verdict.FAIL)],
    ids=["young", "due soon", "too old"],
)
def test_the_age_of_a_secret_is_held_against_its_policy(house: House, days: int, verdict: Verdict) -> None:
    house.clock.advance(days * 86_400)
    found = house.found()["secret jwt"]
    assert (found.verdict, found.limit) == (verdict, "90 days")


def test_a_store_that_does_not_answer_is_not_known(house: House) -> None:
    house.faults.fail("secrets.look", 1, error=OutsideError(Text("Vault gave no answer.")))
    house.faults.fail("secrets.look", 2, error=OutsideError(Text("Vault gave no answer.")))
    assert {each.verdict for each in house.found().values()} == {Verdict.UNKNOWN}


@pytest.mark.parametrize(
    ("said", "verdict"),
    [
        (("now", "now"), Verdict.PASS),
        (("now", "old"), Verdict.FAIL),
        (("now", ""), Verdict.UNKNOWN),
        ((), Verdict.UNKNOWN),
    ],
    ids=["all", "one is behind", "one says nothing", "nobody"],
)
def test_every_replica_must_use_the_current_version(house: House, said: tuple[str, ...], verdict: Verdict) -> None:
    house.app.said = tuple(house.version if each == "now" else each for each in said)
    assert house.found()["replicas api, jwt"].verdict is verdict


def test_a_program_that_reports_nothing_is_not_asked_which_version_it_uses(house: House) -> None:
    estate = house.check.estate
    silent = replace(estate.secret("jwt"), uses=(replace(USE, reports=()),))
    managed = replace(estate.managed, secrets={"jwt": silent})
    house.check = replace(house.check, estate=replace(estate, managed=managed))
    assert set(house.found()) == {"secret jwt"}
    assert house.faults.calls.count("secrets.look") == 1, "only for its age"


def test_a_replica_that_a_rotation_has_not_reached_yet_is_not_known_until_the_rotation_is_over(house: House) -> None:
    house.app.said = (house.version, "older")
    journal = RotationJournal(house.check.estate.artifacts, "jwt", JobId("j1"))
    journal.write("begin", now=house.clock.now())
    found = house.found()["replicas api, jwt"]
    assert (found.verdict, str(found.text)) == (
        Verdict.UNKNOWN,
        "A rotation of jwt is at work: api-1 is not there yet.",
    )
    journal.write("end", now=house.clock.now(), state="failed")
    found = house.found()["replicas api, jwt"]
    assert (found.verdict, found.value) == (Verdict.FAIL, "1")


@pytest.mark.parametrize(
    ("token", "verdict"),
    [
        (Ending(None), Verdict.PASS),
        (Ending(NOW + timedelta(days=30)), Verdict.PASS),
        (Ending(NOW + timedelta(days=6)), Verdict.FAIL),
        (Ending(NOW - timedelta(days=1)), Verdict.FAIL),
        (Ending(NOW, broken=True), Verdict.UNKNOWN),
    ],
    ids=["endless", "long", "soon", "ended", "not known"],
)
def test_a_token_of_the_bot_that_ends_soon_is_told_in_time(house: House, token: Ending, verdict: Verdict) -> None:
    house.check = replace(house.check, tokens={"vault": token})
    (found,) = (each for each in house.found().values() if "vault" in each.name or "vault" in str(each.text).lower())
    assert found.verdict is verdict


def test_one_that_hangs_hides_no_other(house: House) -> None:
    ended = threading.Event()

    class Hanging:
        def report(self, seconds: float) -> CredentialReport:
            ended.wait(20)
            raise OutsideError(Text("late"))

    house.check = replace(house.check, cloud=Hanging())
    found = house.found(1.0)
    ended.set()
    assert found["IAM"].verdict is Verdict.UNKNOWN
    assert found["secret jwt"].verdict is Verdict.PASS


@pytest.mark.parametrize(("seconds", "verdict"), [(3600, Verdict.FAIL), (30 * 86_400, Verdict.PASS)])
def test_a_real_token_says_when_it_ends(house: House, seconds: int, verdict: Verdict) -> None:
    needs("bao")
    with OpenBao() as bao:
        given = bao.ask("POST", "auth/token/create", {"ttl": f"{seconds}s", "policies": ["default"]})["auth"]
        vault, root = VaultSecrets(bao.url, Login(given["client_token"])), VaultSecrets(bao.url, Login(bao.token))
        check = replace(house.check, clock=Now(), tokens={"vault": vault, "root": root})
        by_name = {each.name: each for each in check(SHOP, 6)}
        bao.ask("POST", "auth/token/revoke", {"token": given["client_token"]})
        revoked = {each.name: each for each in check(SHOP, 6)}
    assert by_name["token for vault"].verdict is verdict
    assert by_name["token for root"].verdict is Verdict.PASS
    assert revoked["token for vault"].verdict is Verdict.UNKNOWN


class Now:
    """The real time."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        """Does not."""


# -- IAM -----------------------------------------------------------------------------------------------------------

SAFE = CloudUser("sara", password=True, mfa=True, keys=(AccessKey(1, NOW - timedelta(days=3)),))
ROOT_USER = CloudUser(ROOT, password=None, mfa=True, keys=())


@pytest.mark.parametrize(
    ("change", "name", "verdict"),
    [
        ({}, "IAM second factor", Verdict.PASS),
        ({"mfa": False}, "IAM second factor", Verdict.FAIL),
        ({"mfa": None}, "IAM second factor", Verdict.UNKNOWN),
        ({"mfa": False, "password": False}, "IAM second factor", Verdict.PASS),
        ({}, "IAM key age", Verdict.PASS),
        ({"keys": (AccessKey(2, NOW - timedelta(days=91)),)}, "IAM key age", Verdict.FAIL),
        ({"keys": (AccessKey(1, None),)}, "IAM key age", Verdict.UNKNOWN),
    ],
)
def test_accounts_are_judged_by_the_report(change: dict[str, object], name: str, verdict: Verdict) -> None:
    user = replace(SAFE, **change)  # type: ignore[arg-type]
    found = {each.name: each for each in accounts(CredentialReport(NOW, (ROOT_USER, user)), NOW)}
    assert found[name].verdict is verdict


def test_the_accounts_are_among_what_is_looked_at(house: House) -> None:
    class Reported:
        def report(self, seconds: float) -> CredentialReport:
            return CredentialReport(NOW, (ROOT_USER, replace(SAFE, mfa=False)))

    house.check = replace(house.check, cloud=Reported())
    found = {name: each.verdict for name, each in house.found().items() if name.startswith("IAM")}
    assert found == {"IAM second factor": Verdict.FAIL, "IAM key age": Verdict.PASS}


@pytest.mark.parametrize(
    ("root", "failing"),
    [
        (replace(ROOT_USER, mfa=False), {"IAM second factor"}),
        (replace(ROOT_USER, keys=(AccessKey(1, NOW),)), {"IAM root keys"}),
    ],
    ids=["without a factor", "with keys"],
)
def test_the_root_of_the_account_is_judged_apart(root: CloudUser, failing: set[str]) -> None:
    found = accounts(CredentialReport(NOW, (root, SAFE)), NOW)
    assert {each.name for each in found if each.verdict is Verdict.FAIL} == failing


HEADER = (
    "user,arn,user_creation_time,password_enabled,password_last_used,mfa_active,access_key_1_active,"
    "access_key_1_last_rotated,access_key_2_active,access_key_2_last_rotated\n"
)


def test_words_that_say_nothing_are_not_known() -> None:
    (root, odd) = read(
        (
            HEADER + "<root_account>,a,b,not_supported,x,true,false,N/A,false,N/A\n"
            "odd,a,b,no_information,x,N/A,no_information,N/A,true,2026-01-01T00:00:00+00:00\n"
        ).encode()
    )
    assert root == CloudUser(ROOT, password=None, mfa=True, keys=())
    old = AccessKey(2, datetime(2026, 1, 1, tzinfo=UTC))
    assert odd == CloudUser("odd", None, None, (AccessKey(1, None), old))


def test_an_empty_report_and_one_of_another_shape_are_not_known() -> None:
    assert [each.verdict for each in accounts(CredentialReport(NOW, ()), NOW)] == [Verdict.UNKNOWN]
    with pytest.raises(OutsideError):
        read(b"<html>")


@pytest.fixture
def iam(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., object]]:
    """A local IAM; calls go straight to it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", free_port(), verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL_IAM": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "x",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("iam", region_name="us-east-1")
    yield lambda call, **words: getattr(client, call)(**words)
    server.stop()


def test_a_real_report_names_who_has_no_second_factor(iam: Callable[..., object]) -> None:
    iam("create_user", UserName="machine")
    iam("create_access_key", UserName="machine")
    now = datetime.now(UTC)
    first = {each.name: each.verdict for each in accounts(CredentialReports().report(6), now)}
    assert first == {"IAM second factor": Verdict.PASS, "IAM key age": Verdict.PASS}
    iam("create_user", UserName="ali")
    iam("create_login_profile", UserName="ali", Password="long enough")
    found = {each.name: each for each in accounts(CredentialReports().report(6), now + timedelta(days=91))}
    assert "ali" in str(found["IAM second factor"].text)
    assert {each.verdict for each in found.values()} == {Verdict.FAIL}


def test_an_iam_that_does_not_answer_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_IAM", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIATEST")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    with pytest.raises(OutsideError, match="IAM does not answer"):
        CredentialReports().report(2)
