"""The accounts of an AWS account, by IAM's credential report.

- Asking makes a new report when the last is older than four hours; while it is made, it is asked for again.
- A column that is missing, `N/A`, `no_information` or `not_supported` is not known. Only IAM's code is ever told.
"""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from handlers.core.health.accesses import ROOT, AccessKey, CloudUser, CredentialReport
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

PAUSE_SECONDS = 0.5
MOST_USERS = 5000
_COLUMNS = frozenset({"user", "password_enabled", "mfa_active", "access_key_1_active", "access_key_2_active"})


class CredentialReports:
    """The Cloud port. Endpoint and keys by boto3's own variables."""

    def report(self, seconds: float) -> CredentialReport:
        """See the port."""
        until = time.monotonic() + seconds
        try:
            client: Any = boto3.session.Session().client(
                "iam",
                region_name="us-east-1",  # IAM is global; without one boto3 signs for none
                config=Config(connect_timeout=seconds / 2, read_timeout=seconds / 2, retries={"total_max_attempts": 1}),
            )
            while client.generate_credential_report().get("State") != "COMPLETE":
                if time.monotonic() + PAUSE_SECONDS > until:
                    raise OutsideError(Text("The credential report is not ready yet. Ask again in a minute."))
                time.sleep(PAUSE_SECONDS)
            answer = client.get_credential_report()
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))[:60]
            raise OutsideError(Text("IAM does not give its credential report: {code}.", code=Code(code))) from error
        except (BotoCoreError, OSError) as error:
            raise OutsideError(Text("IAM does not answer.")) from error
        made = answer.get("GeneratedTime")
        return CredentialReport(made if isinstance(made, datetime) else datetime.now(UTC), read(answer["Content"]))


def read(content: bytes) -> tuple[CloudUser, ...]:
    """The users of a report
    (https://docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_getting-report.html). Raises OutsideError."""
    rows = csv.DictReader(io.StringIO(content.decode("utf-8", "replace")))
    if not set(rows.fieldnames or ()) >= _COLUMNS:
        raise OutsideError(Text("What IAM gave is no credential report."), permanent=True)
    return tuple(_user(row) for _, row in zip(range(MOST_USERS), rows, strict=False))


def _user(row: Mapping[str, str | None]) -> CloudUser:
    name = (row["user"] or "")[:100]
    password = None if name == ROOT else _said(row["password_enabled"])
    keys = [
        AccessKey(number, _time(row.get(f"access_key_{number}_last_rotated")))
        for number in (1, 2)
        if _said(row[f"access_key_{number}_active"]) is not False
    ]
    return CloudUser(name, password, _said(row["mfa_active"]), tuple(keys))


def _said(value: str | None) -> bool | None:
    return {"true": True, "false": False}.get((value or "").strip().lower())


def _time(value: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat((value or "").strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
