"""What goes wrong with S3, in words, and whether it will go wrong again.

- Only the vendor's code is told: its sentences can hold account names and addresses.
"""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
)
from botocore.exceptions import ConnectionError as NotConnected
from urllib3.exceptions import HTTPError

FAILURES = (ClientError, BotoCoreError, HTTPError, OSError)
"""Everything that a request, or reading its answer, can raise."""
MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchVersion"})
UNKNOWN = frozenset({"501", "NotImplemented", "405", "MethodNotAllowed"})
"""What a store answers that does not know an operation."""
DENIED = frozenset({"403", "AccessDenied"})
CONTENDED = frozenset({"409", "ConditionalRequestConflict", "OperationAborted", "412", "PreconditionFailed"})
_PASSING = frozenset({"BadDigest", "NoSuchUpload", "RequestTimeout", "429", "409", "ConditionalRequestConflict"})
_REASONS = {
    "NoSuchBucket": "the bucket does not exist",
    "AccessDenied": "the bot's key may not do this",
    "403": "the bot's key may not do this",
    "InvalidAccessKeyId": "the access key is not known there",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "ExpiredToken": "the session token has expired",
    "InvalidToken": "the session token is not valid",
    "RequestTimeTooSkewed": "the clock of this host is wrong",
    "BadDigest": "the data was damaged on the way",
    "NoSuchUpload": "the upload was removed meanwhile",
}


def code_of(error: Exception) -> str:
    """The code that S3 gave; empty when it gave none."""
    return error.response["Error"].get("Code", "") if isinstance(error, ClientError) else ""


def is_silence(error: BaseException | None) -> bool:
    """Whether somebody was waited for in vain, and not refused or cut off."""
    while error is not None:
        if isinstance(error, ConnectTimeoutError | ReadTimeoutError | TimeoutError):
            return True
        error = error.__cause__ or error.__context__
    return False


def reason_of(error: Exception) -> tuple[str, bool]:
    """A failure in words, and whether it will be the same again."""
    match error:
        case ClientError():
            code = code_of(error)
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return _REASONS.get(code, f"it answered {code}"), 400 <= status < 500 and code not in _PASSING
        case NoCredentialsError() | PartialCredentialsError() | CredentialRetrievalError():
            return "there are no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", True
        case NotConnected() | HTTPClientError() | IncompleteReadError() | HTTPError() | OSError():
            return "it cannot be reached, or it did not answer in time", False
        case _:
            return f"the request could not be made ({type(error).__name__})", True
