"""Access keys of a user of a local AWS account that is as slow and as strict as the real one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import boto3.session
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.adapters.aws.access_keys import AwsAccessKeys
from bot.adapters.aws.secrets_manager import SecretsManager
from handlers.core.rotation.access_keys import KeyPair
from handlers.core.rotation.issuers import Keys
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.aws import AwsAccount, Fault
from tests.fakes import FakeClock


@pytest.fixture(scope="module")
def account() -> Iterator[AwsAccount]:
    with AwsAccount() as server, pytest.MonkeyPatch.context() as patch:
        for name, value in server.environment().items():
            patch.setenv(name, value)
        yield server


class Stand:
    """A user with one key, and a clock that the account follows."""

    def __init__(self, account: AwsAccount) -> None:
        account.heal()
        self.account, self.clock, self.user = account, FakeClock(), f"user-{uuid.uuid4()}"
        self.iam: Any = boto3.session.Session().client("iam")
        self.iam.create_user(UserName=self.user)
        self.keys = AwsAccessKeys(self.user)
        self.first = self.keys.make()
        account.advance(120)
        now = self.keys.listed()[0].made
        self.clock.advance((now - self.clock.now()).total_seconds() + 120)
        self.before = self.clock.now()
        self.clock.on_sleep = self._follow
        self.issuer = Keys(self.keys, self.clock)

    def _follow(self) -> None:
        self.account.advance((self.clock.now() - self.before).total_seconds())
        self.before = self.clock.now()

    def later(self, seconds: float) -> None:
        self.clock.sleep(seconds)

    def status(self) -> dict[str, bool]:
        return {each.id: each.active for each in self.keys.listed()}


@pytest.fixture
def stand(account: AwsAccount) -> Stand:
    return Stand(account)


@settings(max_examples=12, deadline=None)
@given(seconds=st.floats(0, 60))
def test_a_new_key_is_given_out_only_when_it_is_let_in_everywhere(account: AwsAccount, seconds: float) -> None:
    stand = Stand(account)
    account.propagates(seconds)
    new = stand.issuer.made("v" * 32, ())
    assert new is not None
    stand.issuer.accept(new, stand.first.sealed(""), lambda: None)
    assert all(stand.keys.knock(KeyPair.read(new)) for _ in range(6))


def test_a_key_that_aws_never_knows_is_given_to_nobody(account: AwsAccount, stand: Stand) -> None:
    account.propagates(10_000)
    new = stand.issuer.made("v" * 32, ())
    assert new is not None
    with pytest.raises(OutsideError, match="does not know the new access key"):
        stand.issuer.accept(new, stand.first.sealed(""), lambda: None)
    stand.issuer.withdraw(new, {}, "")
    assert stand.status() == {stand.first.id: True}


def test_the_two_keys_of_a_user_stop_a_rotation_before_anything_is_made(stand: Stand) -> None:
    other = stand.keys.make()
    with pytest.raises(Refusal, match="there are two"):
        stand.issuer.made("v" * 32, ())
    assert stand.status() == {stand.first.id: True, other.id: True}


def test_a_key_rests_for_a_day_and_is_never_deleted_while_it_is_active(account: AwsAccount, stand: Stand) -> None:
    new = stand.issuer.made("v" * 32, ())
    assert new is not None
    old = [stand.first.sealed("")]
    with pytest.raises(OutsideError, match="is active"):
        stand.keys.delete(stand.first.id)
    assert stand.issuer.retire(new, old, ends=False) is False
    assert stand.status() == {stand.first.id: False, KeyPair.read(new).id: True}
    assert not stand.keys.knock(stand.first)
    with pytest.raises(Refusal, match="or tried"):
        stand.issuer.unused(old, rested=True)
    stand.later(25 * 3600)
    stand.issuer.unused(old, rested=True)
    for _ in range(2):
        assert stand.issuer.retire(new, old, ends=True) is True
    assert stand.status() == {KeyPair.read(new).id: True}
    assert account.deleted()[stand.first.id] == "Inactive"


def test_the_key_in_use_is_not_retired_even_when_it_is_said_to_be_old(stand: Stand) -> None:
    current = stand.first.sealed("")
    stand.issuer.retire(current, [current], ends=True)
    assert stand.status() == {stand.first.id: True}


def test_a_key_whose_answer_was_lost_is_found_and_deleted(account: AwsAccount, stand: Stand) -> None:
    known, since = stand.issuer.before(stand.first.sealed("")), stand.clock.now().isoformat()
    account.fail(Fault("CreateAccessKey", "lost"))
    with pytest.raises(OutsideError) as caught:
        stand.issuer.made("v" * 32, ())
    assert not caught.value.permanent
    assert len(stand.status()) == 2
    stand.clock.advance(-200)
    stand.issuer.withdraw(None, known, since)
    assert stand.status() == {stand.first.id: True}
    assert set(account.deleted().values()) == {"Inactive"}


def test_a_bot_that_signs_as_the_user_itself_changes_nothing(
    account: AwsAccount, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", stand.first.id)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", stand.first.secret)
    with pytest.raises(OutsideError) as caught:
        AwsAccessKeys(stand.user).make()
    assert caught.value.permanent
    assert stand.first.secret not in str(caught.value)


def test_an_outage_is_worth_another_try_and_tells_nothing(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    keys = AwsAccessKeys(stand.user)
    for ask in (keys.listed, lambda: keys.knock(stand.first)):
        with pytest.raises(OutsideError) as caught:
            ask()
        assert not caught.value.permanent
        assert stand.first.secret not in str(caught.value)


def test_another_users_key_is_not_taken_for_this_ones(account: AwsAccount, stand: Stand) -> None:
    with pytest.raises(OutsideError, match="another user's"):
        stand.keys.knock(Stand(account).first)


def test_the_secrets_manager_takes_a_key_pair(account: AwsAccount, stand: Stand) -> None:
    client: Any = boto3.session.Session().client("secretsmanager")
    client.create_secret(Name=stand.user, SecretString=stand.first.sealed("").reveal().decode())
    store = SecretsManager()
    assert KeyPair.read(store.value(stand.user, store.look(stand.user).current_id)) == stand.first
