"""Every store of secrets keeps the contract of handlers.core.rotation.secret_stores.SecretStore.

Another store joins by one name in STORES and a fixture of that name.
"""

from __future__ import annotations

import contextlib
import itertools
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3.session
import pytest
import yaml

from bot.adapters.aws.secrets_manager import SecretsManager
from bot.adapters.kubernetes.asking import connected
from bot.adapters.kubernetes.secrets import KubernetesSecrets
from bot.adapters.secrets_files import FileSecrets
from bot.adapters.vault import Login, VaultSecrets
from handlers.core.rotation.secret_stores import Sealed, SecretStore
from handlers.core.words.errors import OutsideError
from sandbox.aws import AwsAccount, Fault
from sandbox.kube.server import Kube
from sandbox.servers.openbao import OpenBao
from tests.fake_secrets import MemorySecrets
from tests.fakes import FakeClock

STORES = ("memory", "files", "vault", "vault_by_role", "secrets_manager", "kubernetes")
NEW, NEWER = "n" * 20 + "-accept-" + "0" * 12, "m" * 20 + "-sign-" + "1" * 12
CANARY = "CANARY-value-that-nobody-may-see"
HOSTILE = (
    "",
    "/",
    "a//b",
    "..",
    "../a",
    "a/../b",
    ".versions",
    "A",
    "a b",
    "a\n",
    "a\x00",
    "ä",
    "a" * 101,
    "/etc/passwd",
    "-a",
)
ROOT = Path(__file__).parents[2]
_places = itertools.count()


@dataclass
class Stand:
    """A store, a place in it that holds a first value, and how somebody else changes that by hand."""

    store: SecretStore
    place: str
    put: Callable[[str], object]

    @property
    def current(self) -> str:
        return self.store.look(self.place).current_id

    def promoted(self, version: str, value: str) -> str:
        """Stages and promotes; what was current before."""
        before = self.current
        self.store.stage(self.place, version, Sealed(value.encode()), before)
        self.store.promote(self.place, version, before)
        return before


@pytest.fixture
def in_aws(account: AwsAccount, monkeypatch: pytest.MonkeyPatch) -> Stand:
    account.heal()
    for name, value in account.environment().items():
        monkeypatch.setenv(name, value)
    place, client = f"app/jwt{next(_places)}", administrator(account)
    client.create_secret(Name=f"team/{place}", SecretString="first", ClientRequestToken=str(uuid.uuid4()))
    return Stand(
        SecretsManager("team"),
        place,
        lambda value: client.put_secret_value(SecretId=f"team/{place}", SecretString=value),
    )


@pytest.fixture
def in_kubernetes(kube: Kube, tmp_path: Path) -> Stand:
    """With the rights that deploy/ gives the bot, for this place."""
    place = f"app/jwt{next(_places)}"
    name = place.replace("/", ".")
    kube.write_config(tmp_path / "config", token=kube.account("negahban", "shop", role(name)))
    kube.secrets.created("shop", {"metadata": {"name": name}, "stringData": {"value": "first", "other": "stays"}})

    def put(value: str) -> None:
        found = kube.secrets.read("shop", name)
        kube.secrets.replaced("shop", name, {**found, "stringData": {"value": value}})

    return Stand(KubernetesSecrets(connected(str(tmp_path / "config")), "shop"), place, put)


def role(name: str) -> list[dict[str, Any]]:
    """The rules of the example, for a secret of that name."""
    documents = yaml.safe_load_all((ROOT / "deploy" / "kubernetes" / "secrets-role.yaml").read_text())
    rules: list[dict[str, Any]] = next(each["rules"] for each in documents if each["kind"] == "Role")
    places = next(each for each in rules if each["resources"] == ["secrets"] and "patch" in each["verbs"])
    places["resourceNames"] = [name]
    return rules


def administrator(account: AwsAccount) -> Any:
    return boto3.session.Session().client(
        "secretsmanager",
        endpoint_url=account.url,
        region_name="us-east-1",
        aws_access_key_id=account.access_key,
        aws_secret_access_key=account.secret_key,
    )


@pytest.fixture(params=STORES)
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Stand:
    place = f"app/jwt{next(_places)}"
    match request.param:
        case "memory":
            memory = MemorySecrets(FakeClock())
            memory.put(place, b"first")
            return Stand(memory, place, lambda value: memory.put(place, value.encode()))
        case "files":
            path = tmp_path / place
            path.parent.mkdir(parents=True)
            path.write_text("first")
            return Stand(FileSecrets(tmp_path), place, path.write_text)
        case "secrets_manager" | "kubernetes":
            fixture = "in_aws" if request.param == "secrets_manager" else "in_kubernetes"
            found: Stand = request.getfixturevalue(fixture)
            return found
    bao: OpenBao = request.getfixturevalue("openbao")
    login = Login(bao.token) if request.param == "vault" else Login("", *bao.role())

    def put(value: str) -> None:
        bao.ask("POST", f"secret/data/{place}", {"data": {"value": value}})

    put("first")
    return Stand(VaultSecrets(bao.url, login), place, put)


def refused(act: Callable[[], object]) -> str:
    """What a permanent refusal says."""
    with pytest.raises(OutsideError) as caught:
        act()
    assert caught.value.permanent, caught.value
    return str(caught.value)


def test_an_empty_place_has_an_empty_shelf(stand: Stand) -> None:
    shelf = stand.store.look("nothing/here")
    assert (shelf.current, shelf.pending, shelf.previous, shelf.current_id) == (None, None, None, "")


def test_a_first_value_can_be_read_by_its_version(stand: Stand) -> None:
    assert stand.store.value(stand.place, stand.current) == Sealed(b"first")


def test_looking_twice_gives_the_same_version(stand: Stand) -> None:
    assert stand.store.look(stand.place) == stand.store.look(stand.place)


def test_what_is_staged_waits_and_changes_nothing_for_readers(stand: Stand) -> None:
    before = stand.current
    stand.store.stage(stand.place, NEW, Sealed(b"new"), before)
    shelf = stand.store.look(stand.place)
    assert shelf.pending is not None
    assert (shelf.current_id, shelf.pending.id) == (before, NEW)
    assert stand.store.value(stand.place, NEW) == Sealed(b"new")
    assert stand.store.value(stand.place, before) == Sealed(b"first")


def test_staging_the_same_again_does_nothing(stand: Stand) -> None:
    for _ in range(2):
        stand.store.stage(stand.place, NEW, Sealed(b"new"), stand.current)
    assert stand.store.value(stand.place, NEW) == Sealed(b"new")


def test_a_version_never_gets_another_value(stand: Stand) -> None:
    stand.store.stage(stand.place, NEW, Sealed(b"new"), stand.current)
    refused(lambda: stand.store.stage(stand.place, NEW, Sealed(b"other"), stand.current))
    assert stand.store.value(stand.place, NEW) == Sealed(b"new")


def test_only_one_version_waits(stand: Stand) -> None:
    stand.store.stage(stand.place, NEW, Sealed(b"new"), stand.current)
    refused(lambda: stand.store.stage(stand.place, NEWER, Sealed(b"newer"), stand.current))


def test_staging_over_what_is_not_current_is_refused(stand: Stand) -> None:
    refused(lambda: stand.store.stage(stand.place, NEW, Sealed(b"new"), NEWER))
    assert stand.store.look(stand.place).pending is None


def test_the_value_that_is_current_is_not_staged(stand: Stand) -> None:
    refused(lambda: stand.store.stage(stand.place, NEW, Sealed(b"first"), stand.current))


@pytest.mark.parametrize("version", ["", "short", "x" * 65, "ä" * 40, "a/b" * 12, "../" * 12])
def test_what_is_no_version_is_refused(stand: Stand, version: str) -> None:
    refused(lambda: stand.store.stage(stand.place, version, Sealed(b"new"), stand.current))


def test_an_empty_value_is_refused(stand: Stand) -> None:
    refused(lambda: stand.store.stage(stand.place, NEW, Sealed(b""), stand.current))


def test_promoting_makes_it_current_and_keeps_the_former_one(stand: Stand) -> None:
    before = stand.promoted(NEW, "new")
    shelf = stand.store.look(stand.place)
    assert shelf.previous is not None
    assert (shelf.current_id, shelf.pending, shelf.previous.id) == (NEW, None, before)
    assert stand.store.value(stand.place, NEW) == Sealed(b"new")
    assert stand.store.value(stand.place, before) == Sealed(b"first")


def test_promoting_again_does_nothing(stand: Stand) -> None:
    before = stand.promoted(NEW, "new")
    stand.store.promote(stand.place, NEW, before)
    assert stand.current == NEW


def test_promoting_over_what_is_not_current_is_refused(stand: Stand) -> None:
    before = stand.current
    stand.store.stage(stand.place, NEW, Sealed(b"new"), before)
    refused(lambda: stand.store.promote(stand.place, NEW, NEWER))
    assert stand.current == before


def test_what_was_changed_by_hand_is_not_promoted_over(stand: Stand) -> None:
    before = stand.current
    stand.store.stage(stand.place, NEW, Sealed(b"new"), before)
    stand.put("by hand")
    refused(lambda: stand.store.promote(stand.place, NEW, before))
    assert stand.store.value(stand.place, stand.current) == Sealed(b"by hand")


def test_a_change_by_hand_is_another_version(stand: Stand) -> None:
    before = stand.promoted(NEW, "new")
    stand.put("by hand")
    assert stand.current not in {before, NEW}


def test_a_version_that_is_not_there_is_not_promoted(stand: Stand) -> None:
    refused(lambda: stand.store.promote(stand.place, NEW, stand.current))


def test_a_former_version_becomes_current_again(stand: Stand) -> None:
    before = stand.promoted(NEW, "new")
    stand.store.promote(stand.place, before, NEW)
    assert stand.current == before
    assert stand.store.value(stand.place, before) == Sealed(b"first")
    assert stand.store.look(stand.place).pending is None


def test_there_and_back_many_times(stand: Stand) -> None:
    before = stand.promoted(NEW, "new")
    for _ in range(3):
        stand.store.promote(stand.place, before, NEW)
        stand.store.promote(stand.place, NEW, before)
    assert stand.current == NEW


def test_two_rotations_keep_all_three_values(stand: Stand) -> None:
    first = stand.promoted(NEW, "new")
    stand.promoted(NEWER, "newer")
    for version, value in ((first, b"first"), (NEW, b"new"), (NEWER, b"newer")):
        assert stand.store.value(stand.place, version) == Sealed(value)


def test_what_waits_can_be_removed(stand: Stand) -> None:
    stand.store.stage(stand.place, NEW, Sealed(b"new"), stand.current)
    stand.store.remove(stand.place, NEW)
    assert stand.store.look(stand.place).pending is None
    refused(lambda: stand.store.value(stand.place, NEW))


def test_after_a_removal_another_may_wait(stand: Stand) -> None:
    stand.store.stage(stand.place, NEW, Sealed(b"new"), stand.current)
    stand.store.remove(stand.place, NEW)
    stand.store.stage(stand.place, NEWER, Sealed(b"newer"), stand.current)
    assert stand.store.value(stand.place, NEWER) == Sealed(b"newer")


def test_a_former_version_is_destroyed_for_good(stand: Stand) -> None:
    before = stand.promoted(NEW, "new")
    stand.store.remove(stand.place, before)
    assert stand.store.look(stand.place).previous is None
    refused(lambda: stand.store.value(stand.place, before))
    refused(lambda: stand.store.promote(stand.place, before, NEW))


def test_the_current_version_is_never_removed(stand: Stand) -> None:
    refused(lambda: stand.store.remove(stand.place, stand.current))
    stand.promoted(NEW, "new")
    refused(lambda: stand.store.remove(stand.place, NEW))
    assert stand.store.value(stand.place, NEW) == Sealed(b"new")


def test_removing_what_is_not_there_does_nothing(stand: Stand) -> None:
    stand.store.remove(stand.place, NEW)
    assert stand.store.value(stand.place, stand.current) == Sealed(b"first")


@pytest.mark.parametrize("place", HOSTILE)
def test_what_is_no_place_is_refused(stand: Stand, place: str) -> None:
    refused(lambda: stand.store.look(place))
    refused(lambda: stand.store.stage(place, NEW, Sealed(b"new"), ""))
    refused(lambda: stand.store.promote(place, NEW, ""))
    refused(lambda: stand.store.remove(place, NEW))


def test_of_many_promotes_at_once_all_that_matter_agree(stand: Stand) -> None:
    before = stand.current
    stand.store.stage(stand.place, NEW, Sealed(b"new"), before)

    def promote(_: int) -> bool:
        try:
            stand.store.promote(stand.place, NEW, before)
        except OutsideError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert any(pool.map(promote, range(8)))
    assert stand.current == NEW
    assert stand.store.look(stand.place).pending is None


def test_of_many_that_stage_at_once_one_wins(stand: Stand) -> None:
    before = stand.current

    def stage(number: int) -> bool:
        try:
            stand.store.stage(stand.place, f"{number:032}", Sealed(f"value {number}".encode()), before)
        except OutsideError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(stage, range(8))) == 1
    assert stand.store.look(stand.place).pending is not None


def test_places_do_not_know_each_other(stand: Stand) -> None:
    stand.promoted(NEW, "new")
    assert stand.store.look("another").current is None
    refused(lambda: stand.store.value("another", NEW))


def test_a_value_of_many_lines_and_letters_comes_back_as_it_was(stand: Stand) -> None:
    value = 'line one\nline "two"\tپارسی\n{}\n' * 100
    stand.promoted(NEW, value)
    assert stand.store.value(stand.place, NEW) == Sealed(value.encode())


def test_nothing_that_is_refused_tells_a_value(stand: Stand) -> None:
    stand.store.stage(stand.place, NEW, Sealed(CANARY.encode()), stand.current)
    told = refused(lambda: stand.store.stage(stand.place, NEW, Sealed(CANARY.encode() + b"2"), stand.current))
    told += refused(lambda: stand.store.promote(stand.place, NEW, NEWER))
    told += repr(stand.store.value(stand.place, NEW)) + repr(stand.store.look(stand.place)) + stand.store.describe()
    assert CANARY not in told


def test_the_age_is_that_of_the_value(stand: Stand) -> None:
    shelf = stand.store.look(stand.place)
    assert shelf.current is not None
    assert shelf.current.made is not None
    assert shelf.current.made.tzinfo is not None


def test_a_file_of_a_program_keeps_its_mode_and_versions_are_private(tmp_path: Path) -> None:
    path = tmp_path / "jwt"
    path.write_text("first")
    path.chmod(0o640)
    stand = Stand(FileSecrets(tmp_path), "jwt", lambda value: None)
    stand.promoted(NEW, "new")
    assert path.stat().st_mode & 0o777 == 0o640
    kept = list((tmp_path / ".versions" / "jwt").iterdir())
    assert len(kept) == 2
    assert all(each.stat().st_mode & 0o777 == 0o600 for each in kept)


def test_a_symbolic_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("first")
    (tmp_path / "jwt").symlink_to(tmp_path / "elsewhere")
    refused(lambda: FileSecrets(tmp_path).look("jwt"))


def test_a_token_of_a_role_that_ran_out_is_got_anew(openbao: OpenBao) -> None:
    openbao.ask("POST", "secret/data/app/short", {"data": {"value": "first"}})
    store = VaultSecrets(openbao.url, Login("", *openbao.role("short", token_seconds=1)))
    assert store.look("app/short").current is not None
    openbao.ask("POST", "auth/token/revoke", {"token": store._client.token})
    assert store.look("app/short").current is not None


def test_a_wrong_token_is_refused_and_not_told(openbao: OpenBao) -> None:
    assert CANARY not in refused(lambda: VaultSecrets(openbao.url, Login(CANARY)).look("app/jwt"))


def test_a_vault_that_does_not_answer_is_worth_another_try() -> None:
    with pytest.raises(OutsideError) as caught:
        VaultSecrets("http://127.0.0.1:9", Login(CANARY)).look("app/jwt")
    assert not caught.value.permanent
    assert CANARY not in str(caught.value)


def test_a_current_value_that_was_soft_deleted_is_not_there_and_can_be_replaced(openbao: OpenBao) -> None:
    openbao.ask("POST", "secret/data/app/deleted", {"data": {"value": "first"}})
    openbao.ask("DELETE", "secret/data/app/deleted")
    store = VaultSecrets(openbao.url, Login(openbao.token))
    assert store.look("app/deleted").current is None
    store.stage("app/deleted", NEW, Sealed(b"new"), "")
    store.promote("app/deleted", NEW, "")
    assert store.look("app/deleted").current_id == NEW


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage", "ListSecretVersionIds"])
@pytest.mark.parametrize("kind", ["cut", "lost"])
def test_aws_is_asked_again_when_an_answer_is_lost(
    account: AwsAccount, in_aws: Stand, kind: Any, operation: str
) -> None:
    for skip in range(4):
        account.heal()
        account.fail(Fault(operation, kind, skip=skip))
        version = f"{operation}-{kind}-{skip}-{'0' * 32}"[:60]
        in_aws.promoted(version, f"value {skip}")
        assert in_aws.current == version
        in_aws.store.remove(in_aws.place, in_aws.store.look(in_aws.place).previous.id)  # type: ignore[union-attr]
        shelf = in_aws.store.look(in_aws.place)
        assert (shelf.pending, shelf.previous) == (None, None)


@pytest.mark.parametrize("operation", ["PutSecretValue", "UpdateSecretVersionStage"])
@pytest.mark.parametrize("skip", range(5))
def test_staging_in_aws_that_stopped_anywhere_can_be_done_again_or_left(
    account: AwsAccount, in_aws: Stand, operation: str, skip: int
) -> None:
    before = in_aws.current
    account.fail(Fault(operation, "error", skip=skip, status=400, code="AccessDeniedException"))
    with contextlib.suppress(OutsideError):
        in_aws.promoted(NEW, "new")
    account.heal()
    if in_aws.current == before:
        in_aws.store.stage(in_aws.place, NEW, Sealed(b"new"), before)
        in_aws.store.remove(in_aws.place, NEW)
    else:
        in_aws.store.promote(in_aws.place, NEW, before)
    last = in_aws.promoted(NEWER, "newer")
    assert in_aws.store.value(in_aws.place, last) != Sealed(b"newer")
    assert in_aws.store.look(in_aws.place).pending is None


def test_what_stopped_between_its_value_and_its_label_does_not_stay_in_aws(account: AwsAccount, in_aws: Stand) -> None:
    account.fail(Fault("UpdateSecretVersionStage", "error", status=400, code="AccessDeniedException"))
    refused(lambda: in_aws.store.stage(in_aws.place, NEW, Sealed(b"new"), in_aws.current))
    assert in_aws.store.look(in_aws.place).pending is None
    in_aws.promoted(NEWER, "newer")
    refused(lambda: in_aws.store.value(in_aws.place, NEW))


def test_programs_in_aws_read_the_value_itself_and_people_see_a_tag(account: AwsAccount, in_aws: Stand) -> None:
    in_aws.promoted(NEW, "new")
    found = administrator(account).get_secret_value(SecretId=f"team/{in_aws.place}")
    assert (found["SecretString"], found["VersionId"]) == ("new", NEW)
    tags = administrator(account).describe_secret(SecretId=f"team/{in_aws.place}")["Tags"]
    assert {"Key": "negahban-version", "Value": NEW} in tags


def test_a_secret_of_aws_without_a_value_is_not_given_one(account: AwsAccount, in_aws: Stand) -> None:
    refused(lambda: in_aws.store.stage("not/there", NEW, Sealed(b"new"), ""))
    assert in_aws.store.look("not/there").current is None


def test_a_wrong_key_of_aws_is_refused_and_nothing_is_told(in_aws: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    store = SecretsManager("team")
    told = refused(lambda: store.look(in_aws.place))
    told += refused(lambda: store.stage(in_aws.place, NEW, Sealed(CANARY.encode()), in_aws.current))
    assert "InvalidSignatureException" in told
    assert CANARY not in told


def test_aws_that_does_not_answer_is_worth_another_try(in_aws: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(OutsideError) as caught:
        SecretsManager("team").look(in_aws.place)
    assert not caught.value.permanent


class Meddled:
    """boto3's client; just before the named request somebody else acts, once."""

    def __init__(self, client: Any, request: str, act: Callable[[], object]) -> None:
        self._client, self._request, self._act = client, request, act

    def __getattr__(self, name: str) -> Any:
        if name == self._request:
            act, self._act = self._act, lambda: None
            act()
        return getattr(self._client, name)


def test_what_is_put_by_hand_while_aws_is_asked_is_not_promoted_over(in_aws: Stand) -> None:
    before, store = in_aws.current, SecretsManager("team")
    store.stage(in_aws.place, NEW, Sealed(b"new"), before)
    store.promote(in_aws.place, NEW, before)
    store._client = Meddled(store._client, "update_secret_version_stage", lambda: in_aws.put("by hand"))
    refused(lambda: store.promote(in_aws.place, before, NEW))
    assert store.value(in_aws.place, in_aws.current) == Sealed(b"by hand")


def test_what_begins_to_wait_while_aws_is_asked_goes_on_waiting(in_aws: Stand) -> None:
    before, store = in_aws.current, SecretsManager("team")
    store._client = Meddled(
        store._client, "put_secret_value", lambda: in_aws.store.stage(in_aws.place, NEWER, Sealed(b"newer"), before)
    )
    refused(lambda: store.stage(in_aws.place, NEW, Sealed(b"new"), before))
    pending = in_aws.store.look(in_aws.place).pending
    assert pending is not None
    assert pending.id == NEWER
    refused(lambda: store.value(in_aws.place, NEW))
