"""The labels of a secret's versions, as Secrets Manager keeps them and moto 5.2 does not.

1. A request token is one value's: with another it is refused, with the same nothing is done.
2. A label is on one version; who moves it names the version it is on (`RemoveFromVersionId`), or is refused and nothing
   has changed. So AWSCURRENT is never on two, nor AWSPENDING.
3. A version that loses AWSCURRENT gets AWSPREVIOUS and keeps its other labels.
4. All versions together have at most 20 labels.
5. A version without a label may go at any time: here it goes at once.
6. ListSecretVersionIds says when each version was made.

Sources: docs.aws.amazon.com/secretsmanager/latest/apireference/ API_PutSecretValue, API_UpdateSecretVersionStage, and
…/userguide/reference_limits.html (read 2026-11).
"""

from __future__ import annotations

from typing import Any

from moto.secretsmanager.models import secretsmanager_backends

from sandbox.aws.server import REGION
from sandbox.aws.signature import Refused

CURRENT, PREVIOUS = "AWSCURRENT", "AWSPREVIOUS"
MOST_LABELS = 20
_Wanted = dict[str, list[str]]


class Labels:
    """Of all secrets of an account."""

    def __init__(self, account: str) -> None:
        self._account = account

    def answer(self, operation: str, given: dict[str, Any]) -> dict[str, Any] | None:
        """What is answered without moto; None: ask moto. Raises Refused."""
        secret = self._secret(given)
        token = given.get("ClientRequestToken")
        if secret is None and operation != "CreateSecret":
            raise Refused(400, "ResourceNotFoundException")
        if secret is None:
            return None
        named = {"ARN": secret.arn, "Name": secret.name}
        if operation == "PutSecretValue" and token in secret.versions:
            known = secret.versions[token]
            if known.get("secret_string") != given.get("SecretString"):
                raise Refused(400, "ResourceExistsException")
            return named | {"VersionId": token, "VersionStages": known["version_stages"]}
        if operation == "ListSecretVersionIds":
            versions = [
                {"VersionId": name, "VersionStages": each["version_stages"], "CreatedDate": each["createdate"]}
                for name, each in secret.versions.items()
            ]
            return named | {"Versions": versions}
        return None

    def wanted(self, operation: str, given: dict[str, Any]) -> _Wanted | None:
        """The labels as they must be after this; None when they stay. Raises Refused."""
        secret = self._secret(given)
        if secret is None:
            return None
        labels = {name: list(each["version_stages"]) for name, each in secret.versions.items()}
        match operation:
            case "PutSecretValue":
                token = given["ClientRequestToken"]
                labels[token] = []
                for label in given.get("VersionStages", [CURRENT]):
                    _move(labels, label, _holder(labels, label), token)
            case "UpdateSecretVersionStage":
                label, of, to = (given.get(each) for each in ("VersionStage", "RemoveFromVersionId", "MoveToVersionId"))
                holder = _holder(labels, str(label))
                if to is not None and to not in labels:
                    raise Refused(400, "ResourceNotFoundException")
                if (of is not None and of != holder) or (of is None and holder not in {None, to}):
                    raise Refused(400, "InvalidParameterException")
                if to is None and label == CURRENT:
                    raise Refused(400, "InvalidParameterException")
                _move(labels, str(label), holder, to)
            case _:
                return None
        if sum(map(len, labels.values())) > MOST_LABELS:
            raise Refused(400, "LimitExceededException")
        return labels

    def settle(self, given: dict[str, Any], wanted: _Wanted | None) -> None:
        """Makes moto's labels what they must be."""
        secret = self._secret(given)
        if secret is None or wanted is None:
            return
        for name, labels in wanted.items():
            secret.versions[name]["version_stages"] = labels
        for name in [name for name, labels in wanted.items() if not labels]:
            del secret.versions[name]
        secret.set_default_version_id(_holder(wanted, CURRENT))

    def _secret(self, given: dict[str, Any]) -> Any:
        return secretsmanager_backends[self._account][REGION].secrets.get(str(given.get("SecretId", "")))


def _holder(labels: _Wanted, label: str) -> str | None:
    return next((name for name, each in labels.items() if label in each), None)


def _move(labels: _Wanted, label: str, of: str | None, to: str | None) -> None:
    if of is not None:
        labels[of].remove(label)
    if to is not None:
        labels[to].append(label)
    if label == CURRENT and of is not None and of != to:
        before = _holder(labels, PREVIOUS)
        if before is not None:
            labels[before].remove(PREVIOUS)
        labels[of].append(PREVIOUS)
