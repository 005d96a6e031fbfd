"""Asking AWS, and what goes wrong with it.

- Nothing of a call but AWS's code is ever told: an exception of the client may hold a value.
- A refusal (4xx) stays one when it is asked again, unless it is among those that pass.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from contextlib import contextmanager
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

_T = TypeVar("_T")


@contextmanager
def making() -> Iterator[None]:
    """While clients are made. Raises Refusal when boto3's own settings are not usable."""
    try:
        yield
    except (BotoCoreError, ValueError):
        raise Refusal(Text("The settings for AWS (AWS_DEFAULT_REGION, AWS_PROFILE, …) are not usable.")) from None


def asked(call: Callable[[], _T], refused: Callable[[Code], Text], silent: Text, passing: Container[str]) -> _T:
    """What a call answers. `refused`: what is said of AWS's code; `silent`: of no answer. Raises OutsideError."""
    try:
        return call()
    except ClientError as error:
        code, status = code_of(error), error.response["ResponseMetadata"]["HTTPStatusCode"]
        permanent = 400 <= status < 500 and code not in passing
        raise OutsideError(refused(Code(code)), permanent=permanent) from None
    except (NoCredentialsError, PartialCredentialsError):
        text = Text("There are no credentials for AWS; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.")
        raise OutsideError(text, permanent=True) from None
    except (BotoCoreError, OSError, KeyError, TypeError, ValueError):
        raise OutsideError(silent) from None


def code_of(error: ClientError) -> str:
    """AWS's code."""
    return str(error.response["Error"].get("Code", ""))
