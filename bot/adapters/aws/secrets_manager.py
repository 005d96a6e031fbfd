"""Secrets in AWS Secrets Manager, by its labels: AWSCURRENT, AWSPENDING, AWSPREVIOUS.

- A version's id is its ClientRequestToken: the same with another value is refused by AWS itself.
- A program reads AWSCURRENT. It moves in one request that names the version it moves from, which AWS refuses when that
  is not so: this is the fence. AWSPENDING is set in a request of its own for the same reason: put with the value, it
  would be taken from whoever waits.
- AWS may forget a version without a label, so each that is kept has one of its own (`next-ID` while it waits, `kept-ID`
  afterwards). All versions of a secret together have at most 20 labels.
- AWS lets nobody destroy a version: removing takes its labels, and from then on it is not there for anybody here. What
  ends a value is that it is refused where it was used.
- Nothing of a call but the name of the secret and AWS's code is ever told: an exception of the client may hold a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import boto3.session
from botocore.config import Config
from botocore.exceptions import ClientError

from bot.adapters.aws.asking import asked, code_of, making
from handlers.core.rotation.secret_stores import Sealed, Shelf, Version, absent, crowded, in_use, taken
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

ATTEMPTS = 3
MOST_BYTES = 64 * 1024
CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
TAG = "negahban-version"
_PLACE = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*")
_ID = re.compile(r"[A-Za-z0-9-]{32,64}")
_MISSING = "ResourceNotFoundException"
_NOT_SO = frozenset({"InvalidParameterException", _MISSING})
"""What AWS answers when a label is not where the request says."""
_PASSING = frozenset({"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestTimeout"})
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Labelled:
    """One version that AWS keeps."""

    id: str
    labels: frozenset[str]
    made: datetime


class SecretsManager:
    """The SecretStore port. `prefix`: stands before every place in the names of secrets. Endpoint, region and
    credentials come from boto3's own variables. A secret is made by the team, with a first value and its key of KMS."""

    def __init__(self, prefix: str = "", *, read_timeout_seconds: float = 10) -> None:
        self._prefix = f"{prefix}/" if prefix else ""
        config = Config(
            connect_timeout=5,
            read_timeout=read_timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": ATTEMPTS},
        )
        with making():
            self._client: Any = boto3.session.Session().client("secretsmanager", config=config)

    def describe(self) -> str:
        """See the port."""
        return f"AWS Secrets Manager {self._prefix}".rstrip(" /")

    def look(self, place: str) -> Shelf:
        """See the port."""
        kept = self._kept(place)
        current, pending, previous = (_holder(kept, label) for label in (CURRENT, PENDING, PREVIOUS))
        waiting = pending if pending != current else None
        return Shelf(*(None if each is None else Version(each.id, each.made) for each in (current, waiting, previous)))

    def value(self, place: str, version: str) -> Sealed:
        """See the port."""
        if not any(each.id == version for each in self._kept(place)):
            raise absent(place, version[:64])
        return self._value(place, version)

    def stage(self, place: str, version: str, value: Sealed, over: str) -> None:
        """See the port. Raises OutsideError (permanent) also for a secret that has no value yet: AWS would make the
        first one current at once."""
        if not _ID.fullmatch(version) or not 0 < len(value.reveal()) <= MOST_BYTES:
            raise OutsideError(Text("That cannot be a version of {place}.", place=Code(place)), permanent=True)
        kept = self._kept(place)
        current, pending = _holder(kept, CURRENT), _holder(kept, PENDING)
        if pending is not None and pending == current:
            self._unlabel(place, pending.id, PENDING)  # a promote that was interrupted after its move
            pending = None
        known = next((each for each in kept if each.id == version), None)
        if known is not None and self._value(place, version) != value:
            raise taken(place)
        if known is not None and (known == pending or f"next-{version}" not in known.labels):
            return
        if pending is not None:
            raise crowded(place)
        if current is None or current.id != over:
            raise taken(place)
        if self._value(place, current.id) == value:
            raise OutsideError(Text("{place} has that value already.", place=Code(place)), permanent=True)
        for lost in (each for each in kept if each.labels == {f"next-{each.id}"} and each.id != version):
            self._unlabel(place, lost.id, f"next-{lost.id}")  # staging that was interrupted before it was seen
        self._put(place, version, value)
        if not self._label(place, PENDING, version):
            self._unlabel(place, version, f"next-{version}")
            raise crowded(place)

    def promote(self, place: str, version: str, over: str) -> None:
        """See the port."""
        kept = self._kept(place)
        current = _holder(kept, CURRENT)
        if current is None or current.id != version:
            if current is None or current.id != over:
                raise taken(place)
            if not any(each.id == version for each in kept):
                raise absent(place, version[:64])
            self._keep(place, current)
            if not self._label(place, CURRENT, version, of=over):
                now = _holder(self._kept(place), CURRENT)
                if now is None or now.id != version:
                    raise taken(place)
            self._tag(place, version)
        for each in self._kept(place):
            if each.id == version:
                self._keep(place, each)
                for label in each.labels & {PENDING, f"next-{version}"}:
                    self._unlabel(place, version, label)

    def remove(self, place: str, version: str) -> None:
        """See the port."""
        for each in self._kept(place):
            if each.id == version and CURRENT in each.labels:
                raise in_use(place)
            if each.id == version:
                for label in sorted(each.labels):
                    self._unlabel(place, version, label)

    # -- what stands there ---------------------------------------------------------------------------------------

    def _kept(self, place: str) -> list[_Labelled]:
        """Not by pages: at most 20 versions have a label, and the others are not asked for."""
        name = self._name(place)
        answer = self._asked(place, lambda aws: aws.list_secret_version_ids(SecretId=name, MaxResults=100))
        return [
            _Labelled(each["VersionId"], frozenset(each["VersionStages"]), each["CreatedDate"].astimezone(UTC))
            for each in (() if answer is None else answer["Versions"])
            if each.get("VersionStages")
        ]

    def _value(self, place: str, version: str) -> Sealed:
        name = self._name(place)
        answer = self._asked(place, lambda aws: aws.get_secret_value(SecretId=name, VersionId=version))
        if answer is None:
            raise absent(place, version[:64])
        return Sealed(answer["SecretString"].encode() if "SecretString" in answer else bytes(answer["SecretBinary"]))

    # -- changing ------------------------------------------------------------------------------------------------

    def _put(self, place: str, version: str, value: Sealed) -> None:
        name = self._name(place)
        try:
            text = value.reveal().decode()
        except UnicodeDecodeError:
            raise OutsideError(Text("A value of {place} must be text.", place=Code(place)), permanent=True) from None
        given = {"SecretId": name, "ClientRequestToken": version, "VersionStages": [f"next-{version}"]}
        self._called(place, lambda aws: aws.put_secret_value(SecretString=text, **given))

    def _label(self, place: str, label: str, to: str, *, of: str = "") -> bool:
        """False when another version has it, or `of` has it not; then nothing was changed."""
        given = {"MoveToVersionId": to} | ({"RemoveFromVersionId": of} if of else {})
        return self._moved(place, label, given)

    def _unlabel(self, place: str, version: str, label: str) -> None:
        """Nothing happens when it has it no more."""
        if self._moved(place, label, {"RemoveFromVersionId": version}):
            return
        if any(each.id == version and label in each.labels for each in self._kept(place)):
            text = Text("AWS does not take a label from a version of {place}.", place=Code(place))
            raise OutsideError(text, permanent=True)

    def _moved(self, place: str, label: str, given: dict[str, str]) -> bool:
        name = self._name(place)

        def move(aws: Any) -> bool:
            try:
                aws.update_secret_version_stage(SecretId=name, VersionStage=label, **given)
            except ClientError as error:
                if code_of(error) in _NOT_SO:
                    return False
                raise
            return True

        return self._called(place, move)

    def _keep(self, place: str, version: _Labelled) -> None:
        label = f"kept-{version.id}"
        if label not in version.labels and not self._label(place, label, version.id):
            raise taken(place)

    def _tag(self, place: str, version: str) -> None:
        """For people and policies; a role that may not do it is not stopped."""
        given = {"SecretId": self._name(place), "Tags": [{"Key": TAG, "Value": version}]}
        try:
            self._called(place, lambda aws: aws.tag_resource(**given))
        except OutsideError as error:
            if not error.permanent:
                raise

    # -- asking --------------------------------------------------------------------------------------------------

    def _name(self, place: str) -> str:
        if not _PLACE.fullmatch(place) or len(place) > 100:
            raise OutsideError(Text("{place} is no place for a secret.", place=Code(place)), permanent=True)
        return self._prefix + place

    def _asked(self, place: str, call: Callable[[Any], Any]) -> Any:
        """None when nothing is there."""

        def ask(aws: Any) -> Any:
            try:
                return call(aws)
            except ClientError as error:
                if code_of(error) == _MISSING:
                    return None
                raise

        return self._called(place, ask)

    def _called(self, place: str, call: Callable[[Any], _T]) -> _T:
        where = Code(self._name(place))
        return asked(
            lambda: call(self._client),
            lambda code: Text("AWS Secrets Manager answered {code} for {where}.", code=code, where=where),
            Text("AWS Secrets Manager gave no answer for {where}.", where=where),
            _PASSING,
        )


def _holder(kept: list[_Labelled], label: str) -> _Labelled | None:
    return next((each for each in kept if label in each.labels), None)
