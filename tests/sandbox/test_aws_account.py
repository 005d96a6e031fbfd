"""The local AWS account is as strict as the real one, in what the bot relies on and moto alone lets through."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import boto3.session
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from sandbox.aws import AwsAccount, Fault

TOKEN, OTHER = "a" * 32, "b" * 32


def client(account: AwsAccount, service: str, key: str = "", secret: str = "") -> Any:
    return boto3.session.Session().client(
        service,
        endpoint_url=account.url,
        region_name="us-east-1",
        aws_access_key_id=key or account.access_key,
        aws_secret_access_key=secret or account.secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.fixture
def secrets(account: AwsAccount) -> Any:
    account.heal()
    return client(account, "secretsmanager")


@pytest.fixture
def iam(account: AwsAccount) -> Any:
    account.heal()
    return client(account, "iam")


@pytest.fixture
def place(secrets: Any) -> str:
    """A secret with a first value."""
    name = f"app/{uuid.uuid4()}"
    secrets.create_secret(Name=name, SecretString="first", ClientRequestToken=str(uuid.uuid4()))
    return name


@pytest.fixture
def user(iam: Any) -> str:
    name = f"user-{uuid.uuid4()}"
    iam.create_user(UserName=name)
    return name


def refused(code: str) -> Any:
    return pytest.raises(ClientError, match=code)


def labels(secrets: Any, place: str) -> dict[str, list[str]]:
    found = secrets.list_secret_version_ids(SecretId=place, IncludeDeprecated=True)["Versions"]
    return {each["VersionId"]: sorted(each["VersionStages"]) for each in found}


def current(secrets: Any, place: str) -> str:
    return next(name for name, each in labels(secrets, place).items() if "AWSCURRENT" in each)


def put(secrets: Any, place: str, token: str, value: str, *stages: str) -> Any:
    return secrets.put_secret_value(
        SecretId=place, ClientRequestToken=token, SecretString=value, VersionStages=[*stages]
    )


def knocked(account: AwsAccount, made: Any) -> bool:
    """Whether a user's key is let in."""
    try:
        client(account, "sts", made["AccessKeyId"], made["SecretAccessKey"]).get_caller_identity()
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidClientTokenId":
            raise
        return False
    return True


def test_a_wrong_key_and_a_wrong_signature_are_refused_by_each_service(account: AwsAccount, place: str) -> None:
    asked: list[tuple[str, Callable[[Any], object], str, str]] = [
        ("sts", lambda it: it.get_caller_identity(), "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("iam", lambda it: it.list_users(), "InvalidClientTokenId", "SignatureDoesNotMatch"),
        (
            "secretsmanager",
            lambda it: it.describe_secret(SecretId=place),
            "UnrecognizedClientException",
            "InvalidSignatureException",
        ),
    ]
    for service, ask, unknown, wrong in asked:
        with refused(unknown):
            ask(client(account, service, "AKIAOTHER"))
        with refused(wrong):
            ask(client(account, service, secret="other"))
        ask(client(account, service))


def test_a_request_token_is_one_values(secrets: Any, place: str) -> None:
    for _ in range(2):
        put(secrets, place, TOKEN, "new", "AWSPENDING")
    with refused("ResourceExistsException"):
        put(secrets, place, TOKEN, "other", "AWSPENDING")
    assert labels(secrets, place)[TOKEN] == ["AWSPENDING"]


def test_a_label_moves_only_from_where_it_is(secrets: Any, place: str) -> None:
    first = current(secrets, place)
    put(secrets, place, TOKEN, "new", "AWSPENDING")
    put(secrets, place, OTHER, "other", "kept")
    before = labels(secrets, place)
    for label, of in (("AWSPENDING", None), ("AWSCURRENT", None), ("AWSCURRENT", TOKEN), ("AWSPENDING", first)):
        given = {} if of is None else {"RemoveFromVersionId": of}
        with refused("InvalidParameterException"):
            secrets.update_secret_version_stage(SecretId=place, VersionStage=label, MoveToVersionId=OTHER, **given)
    with refused("ResourceNotFoundException"):
        secrets.update_secret_version_stage(
            SecretId=place, VersionStage="AWSCURRENT", MoveToVersionId="c" * 32, RemoveFromVersionId=first
        )
    assert labels(secrets, place) == before


def test_awscurrent_is_never_on_two_versions_and_the_former_one_keeps_its_labels(secrets: Any, place: str) -> None:
    first = current(secrets, place)
    put(secrets, place, TOKEN, "new", "AWSPENDING", "kept")
    secrets.update_secret_version_stage(
        SecretId=place, VersionStage="AWSCURRENT", MoveToVersionId=TOKEN, RemoveFromVersionId=first
    )
    assert labels(secrets, place) == {first: ["AWSPREVIOUS"], TOKEN: ["AWSCURRENT", "AWSPENDING", "kept"]}
    secrets.put_secret_value(SecretId=place, SecretString="by hand", ClientRequestToken=OTHER)
    assert labels(secrets, place) == {OTHER: ["AWSCURRENT"], TOKEN: ["AWSPENDING", "AWSPREVIOUS", "kept"]}
    assert secrets.get_secret_value(SecretId=place)["SecretString"] == "by hand"


def test_a_version_without_a_label_is_gone(secrets: Any, place: str) -> None:
    put(secrets, place, TOKEN, "new", "AWSPENDING")
    secrets.update_secret_version_stage(SecretId=place, VersionStage="AWSPENDING", RemoveFromVersionId=TOKEN)
    with refused("ResourceNotFoundException"):
        secrets.get_secret_value(SecretId=place, VersionId=TOKEN)


def test_all_versions_together_have_twenty_labels(secrets: Any, place: str) -> None:
    put(secrets, place, TOKEN, "new", *(f"label-{number}" for number in range(19)))
    with refused("LimitExceededException"):
        put(secrets, place, OTHER, "other", "AWSPENDING")


def test_a_new_key_works_everywhere_only_after_a_while(account: AwsAccount, iam: Any, user: str) -> None:
    account.propagates(30)
    made = iam.create_access_key(UserName=user)["AccessKey"]
    assert [knocked(account, made) for _ in range(6)] == [False, False, True, False, False, True]
    account.advance(31)
    assert all(knocked(account, made) for _ in range(3))


def test_an_inactive_key_is_refused_and_an_active_one_again_is_not(account: AwsAccount, iam: Any, user: str) -> None:
    made = iam.create_access_key(UserName=user)["AccessKey"]
    for status, wanted in (("Inactive", False), ("Active", True)):
        iam.update_access_key(UserName=user, AccessKeyId=made["AccessKeyId"], Status=status)
        assert knocked(account, made) is wanted


def test_a_user_has_two_keys_and_may_only_ask_who_it_is(account: AwsAccount, iam: Any, user: str) -> None:
    made = iam.create_access_key(UserName=user)["AccessKey"]
    iam.create_access_key(UserName=user)
    with refused("LimitExceeded"):
        iam.create_access_key(UserName=user)
    with refused("AccessDenied"):
        client(account, "iam", made["AccessKeyId"], made["SecretAccessKey"]).create_access_key(UserName=user)


def test_the_last_use_is_dated_by_quarters_and_a_refused_one_counts(account: AwsAccount, iam: Any, user: str) -> None:
    made = iam.create_access_key(UserName=user)["AccessKey"]

    def used() -> Any:
        return iam.get_access_key_last_used(AccessKeyId=made["AccessKeyId"])["AccessKeyLastUsed"].get("LastUsedDate")

    assert used() is None
    assert knocked(account, made)
    first = used()
    account.advance(600)
    assert knocked(account, made)
    assert used() == first
    iam.update_access_key(UserName=user, AccessKeyId=made["AccessKeyId"], Status="Inactive")
    account.advance(600)
    assert not knocked(account, made)
    assert used() > first


def test_what_was_active_when_it_was_deleted_is_remembered(account: AwsAccount, iam: Any, user: str) -> None:
    made = iam.create_access_key(UserName=user)["AccessKey"]["AccessKeyId"]
    iam.delete_access_key(UserName=user, AccessKeyId=made)
    assert account.deleted()[made] == "Active"


@pytest.mark.parametrize("kind", ["cut", "lost"])
def test_an_answer_can_be_lost_before_and_after_the_effect(account: AwsAccount, iam: Any, user: str, kind: Any) -> None:
    account.fail(Fault("CreateAccessKey", kind))
    with pytest.raises(ConnectionClosedError):
        iam.create_access_key(UserName=user)
    assert len(iam.list_access_keys(UserName=user)["AccessKeyMetadata"]) == (kind == "lost")
