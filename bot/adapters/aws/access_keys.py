"""The access keys of a user of AWS, by IAM and STS (the port AccessKeys).

- The administrator's credentials are boto3's own (a role of the bot); a key of the very user is refused for that.
- A key knocks by GetCallerIdentity, signed with nothing else, and the answer must name the user.
- CreateAccessKey is asked once: a second try after a lost answer would make a second key.
- Nothing of a call but AWS's code is ever told.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import boto3.session
from botocore.config import Config
from botocore.exceptions import ClientError

from bot.adapters.aws.asking import asked, code_of, making
from handlers.core.rotation.access_keys import KeyFacts, KeyPair
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

_NOT_THERE = "NoSuchEntity"
_NOT_IN = frozenset({"InvalidClientTokenId", "SignatureDoesNotMatch", "AccessDenied", "ExpiredToken"})
_PASSING = frozenset({"Throttling", "ThrottlingException", "RequestLimitExceeded", "ServiceFailure", "RequestTimeout"})
_T = TypeVar("_T")


class AwsAccessKeys:
    """See the port."""

    def __init__(self, user: str, *, read_timeout_seconds: float = 10) -> None:
        self._user = user
        self._once = Config(connect_timeout=5, read_timeout=read_timeout_seconds, retries={"total_max_attempts": 1})
        again = self._once.merge(Config(retries={"mode": "standard", "total_max_attempts": 3}))
        with making():
            self._session = boto3.session.Session()
            self._iam: Any = self._session.client("iam", config=again)
            self._making: Any = self._session.client("iam", config=self._once)

    def listed(self) -> tuple[KeyFacts, ...]:
        """See the port."""
        found = self._called(lambda: self._iam.list_access_keys(UserName=self._user))["AccessKeyMetadata"]
        mine = self._session.get_credentials()
        if mine is not None and any(each["AccessKeyId"] == mine.access_key for each in found):
            text = Text("The bot signs its requests as {user} itself. Give it a role.", user=Code(self._user))
            raise OutsideError(text, permanent=True)
        facts = [KeyFacts(e["AccessKeyId"], e["Status"] == "Active", e["CreateDate"].astimezone(UTC)) for e in found]
        return tuple(sorted(facts, key=lambda each: each.made))

    def make(self) -> KeyPair:
        """See the port."""
        made = self._called(lambda: self._making.create_access_key(UserName=self._user))["AccessKey"]
        return KeyPair(made["AccessKeyId"], made["SecretAccessKey"])

    def knock(self, key: KeyPair) -> bool:
        """See the port."""

        def ask() -> bool:
            client = self._session.client(
                "sts",
                config=self._once,
                aws_access_key_id=key.id,
                aws_secret_access_key=key.secret,
                aws_session_token="",
            )
            try:
                who = str(client.get_caller_identity()["Arn"])
            except ClientError as error:
                if code_of(error) in _NOT_IN:
                    return False
                raise
            finally:
                client.close()
            if who.rpartition("/")[2] != self._user:
                raise OutsideError(Text("The access key is another user's."), permanent=True)
            return True

        return self._called(ask)

    def last_used(self, key: str) -> datetime | None:
        """See the port."""
        answer = self._unless_gone(lambda: self._iam.get_access_key_last_used(AccessKeyId=key))
        used = None if answer is None else answer["AccessKeyLastUsed"].get("LastUsedDate")
        return None if used is None else used.astimezone(UTC)

    def switch(self, key: str, *, active: bool) -> None:
        """See the port."""
        status = "Active" if active else "Inactive"
        self._unless_gone(lambda: self._iam.update_access_key(UserName=self._user, AccessKeyId=key, Status=status))

    def delete(self, key: str) -> None:
        """See the port."""
        found = next((each for each in self.listed() if each.id == key), None)
        if found is not None and found.active:
            text = Text("The access key {key} is active, so it is not deleted.", key=Code(f"…{key[-4:]}"))
            raise OutsideError(text, permanent=True)
        self._unless_gone(lambda: self._iam.delete_access_key(UserName=self._user, AccessKeyId=key))

    def _unless_gone(self, call: Callable[[], Any]) -> Any:
        """None when there is no such key."""

        def ask() -> Any:
            try:
                return call()
            except ClientError as error:
                if code_of(error) == _NOT_THERE:
                    return None
                raise

        return self._called(ask)

    def _called(self, call: Callable[[], _T]) -> _T:
        user = Code(self._user)
        return asked(
            call,
            lambda code: Text("AWS IAM answered {code} for the user {user}.", code=code, user=user),
            Text("AWS IAM gave no answer for the user {user}.", user=user),
            _PASSING,
        )
