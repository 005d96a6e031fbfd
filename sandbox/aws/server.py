"""The local S3 as a server: its key pair, its buckets, and the faults that are ordered.

It forgets everything when it ends, and it is alone: nothing of it leaves loopback.
"""

from __future__ import annotations

import http.client
import json
import secrets
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sandbox.servers.process import Server

REGION = "us-east-1"
CONTROL = "/_gate/"


@dataclass(frozen=True, slots=True)
class Fault:
    """What to do wrong with the next `times` requests of an operation (as S3 names it, like `UploadPart`) after `skip`
    of them. `error`: answer `status`, nothing done; `cut`: no answer, nothing done; `lost`: done, but no answer;
    `short`: only the first `bytes` of the answer's body; `delay`: done after `seconds`; `deaf`: done without the lock
    that was asked for; `skewed`: dated that many `seconds` later."""

    operation: str
    kind: Literal["error", "cut", "lost", "short", "delay", "deaf", "skewed"]
    times: int = 1
    skip: int = 0
    status: int = 500
    code: str = "InternalError"
    bytes: int = 0
    seconds: float = 0


class GateServer(Server):
    """moto behind a gate of ours, as a program, with one key pair. `endpoint`: boto3's variable for its address;
    `module`: the program."""

    grace_seconds = 0
    endpoint = "AWS_ENDPOINT_URL"
    module = ""

    def __init__(self) -> None:
        super().__init__()
        self.access_key = f"AKIA{secrets.token_hex(8).upper()}"
        self.secret_key = secrets.token_hex(20)

    @property
    def url(self) -> str:
        """Its address, for `endpoint`."""
        return f"http://127.0.0.1:{self.port}"

    def environment(self) -> dict[str, str]:
        """boto3's variables for a client that it lets in, and that asks nobody else."""
        return {
            self.endpoint: self.url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def prepare(self) -> None:
        """The key pair, for the child alone: it is in no command line."""
        file = self.folder / "keys.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps([self.access_key, self.secret_key]))

    def command(self) -> list[str]:
        """The gate as a program."""
        return [sys.executable, "-m", self.module, str(self.port), str(self.folder / "keys.json")]

    def is_ready(self) -> bool:
        """The gate answers."""
        try:
            self.served()
        except http.client.HTTPException:
            return False
        return True

    def fail(self, fault: Fault) -> None:
        """Orders a fault, in addition to those ordered before."""
        self._control("fault", asdict(fault))

    def heal(self) -> None:
        """Forgets all faults and counts."""
        self._control("heal", None)

    def served(self) -> Counter[str]:
        """How often each operation was asked for since the last `heal`, faults included."""
        return Counter(self._control("served", None))

    def _control(self, action: str, value: object) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("POST", f"{CONTROL}{action}", json.dumps(value))
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise ValueError(f"{action}: {answer.status} {body.decode(errors='replace')}")
        return json.loads(body)


class Aws(GateServer):
    """An S3. Its buckets are made by `create_bucket`; `served` also counts each way around a lock, as
    `BypassGovernanceRetention`."""

    name = "aws"
    endpoint = "AWS_ENDPOINT_URL_S3"
    module = "sandbox.aws"

    def create_bucket(self, name: str, *, lock: bool = False) -> None:
        """An empty bucket; with `lock` it has versions and Object Lock."""
        self._control("bucket", {"name": name, "lock": lock})
