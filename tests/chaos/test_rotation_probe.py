"""Rotations whose process ends at every effect, while a program that uses the secret serves 200 requests a second.

- The program is the example backend under real Node: its sessions, its encrypted data and its user of a real mongod
  with authentication are what is rotated. Out of other stores than files the roll-out's command brings it its file.
- What the probe asks for is what people do: a session from before, a fresh login, reading and writing encrypted data.
  No request of it fails, also while nobody is at work because the process ended, and the card says how it ended.
- `make chaos` runs every case in every store, killed and failed, before and after; `make test` some of them over files.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3.session
import pytest

from sandbox.aws import AwsAccount
from sandbox.kube.server import Kube
from sandbox.servers.openbao import OpenBao
from tests.chaos.serving import SECRETS, NodeApp, Probe, RealAccounts, Served, serving
from tests.conftest import needs
from tests.depth import FULL
from tests.fake_secrets import FaultyAws, FaultyFiles, FaultyKube, FaultySecrets, FaultyVault
from tests.fakes import Faults
from tests.handlers.test_rotation_crashes import CASES, EFFECTS, WAYS, Case, begun, points, survived, whole
from tests.handlers.test_rotations import House, text_of

FEWEST = 300
AWAY_SECONDS = 0.5 if FULL else 0.05
"""How long nobody is at work after the fault."""
STORES = ("files", "vault", "secrets_manager", "kubernetes")
SERVED = tuple(name for name, case in CASES.items() if case.secret in SECRETS and not case.pauses)
BRIEFLY = ("key-ring", "data-key", "user-pair")


def matrix(cases: Iterable[str], ways: Iterable[str]) -> list[Any]:
    """Every effect of these cases on the secret, its store, its program and its database."""
    wanted = set(ways)
    return [each for each in points(*EFFECTS, cases=cases, full=True) if each.values[3] in wanted]


HERE = matrix(SERVED, WAYS) if FULL else matrix(BRIEFLY, ("killed-after",))
ELSEWHERE = STORES if FULL else ("files",)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    for part in ("mongod", "node"):
        needs(part)
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


Store = Callable[[Faults], FaultySecrets]


@pytest.fixture
def store(request: pytest.FixtureRequest, served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    match request.param:
        case "files":
            return lambda faults: FaultyFiles(served.folder, faults)
        case "vault":
            bao: OpenBao = request.getfixturevalue("openbao")
            return lambda faults: FaultyVault(bao, faults)
        case "secrets_manager":
            account: AwsAccount = request.getfixturevalue("account")
            for variable, value in account.environment().items():
                monkeypatch.setenv(variable, value)
            client = boto3.session.Session().client("secretsmanager")
            return lambda faults: FaultyAws(client, faults)
    kube: Kube = request.getfixturevalue("kube")
    return lambda faults: FaultyKube(kube, tmp_path / "config", faults)


def arranged(served: Served, folder: Path, case: Case) -> Callable[[House], None]:
    """The real program in the house, and the real time."""

    def arrange(house: House) -> None:
        house.clock.moment = datetime.now(UTC)
        if case.secret == "mongo":
            house.accounts = RealAccounts(served, folder, house.faults)  # type: ignore[assignment]
        app = NodeApp(served, case.secret, lambda: house.secrets.seen(case.secret), house.faults)
        house.apps[case.secret] = app
        house.desk = house.new_desk()

    return arrange


@pytest.mark.parametrize("store", ELSEWHERE, indirect=True)
@pytest.mark.parametrize(("name", "call", "nth", "way"), HERE)
def test_no_request_fails_whatever_a_rotation_dies_of(
    served: Served, store: Store, tmp_path: Path, name: str, call: str, nth: int, way: str
) -> None:
    case = CASES[name]
    served.reset()
    house, job = begun(case, store, arranged(served, tmp_path, case))
    before = house.faults.calls.count(call)
    session = "" if "now!" in case.words else served.backend.log_in()
    with Probe(served, session) as probe:
        ended = survived(house, job, case, call, nth, way, lambda: time.sleep(AWAY_SECONDS))
    assert house.faults.calls.count(call) >= before + nth, "the fault never came"
    assert probe.failed == []
    assert ended.outcome is not None
    assert str(ended.outcome.text) in text_of(house.desk.card(ended))
    served.cases += 1
    house.faults.revive()
    whole(house, case, ended)


def test_the_matrix_under_the_probe_has_every_kind_store_effect_and_way() -> None:
    """In its full form; what a smaller one leaves out is run by `make chaos`."""
    full = matrix(SERVED, WAYS)
    kills = [each.values for each in full if each.values[3].startswith("killed")]
    for secret in SECRETS:
        mine = {(call, way) for name, call, _, way in kills if CASES[name].secret == secret}
        assert {way for _, way in mine} == {"killed-before", "killed-after"}
        assert {call for call, _ in mine} >= {"secrets.stage", "secrets.promote", "app.roll_out"}
    kinds = Counter(CASES[name].secret for name, *_ in kills)
    print(f"{len(STORES)} stores x {dict(kinds)} kills, {len(STORES) * len(full)} cases in all")
    assert len(STORES) * len(kills) >= FEWEST
