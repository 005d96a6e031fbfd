"""The example backend: Node's own modules, secrets in files, sessions and data that must survive their rotation."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from sandbox.parts import require
from sandbox.servers.http import answers
from sandbox.servers.process import Server

SCRIPT = Path(__file__).parents[2] / "examples" / "backend" / "server.js"
_OPENER = build_opener(ProxyHandler({}))


class Backend(Server):
    """One process of it. `ring`: the file it reads; a first key ring is put there when there is none. `data_ring`: the
    same for what it encrypts in `database`, an address that ends with the database's name. `user`: the file that names
    who it signs in there as; `batch`: how many fields it re-encrypts at a time."""

    name = "backend"

    def __init__(
        self,
        ring: Path,
        *,
        token_seconds: int = 3600,
        data_ring: Path | None = None,
        database: str = "",
        user: Path | None = None,
        batch: int = 500,
    ) -> None:
        super().__init__()
        self.ring, self.data_ring, self.user = ring, data_ring, user
        self._database, self._batch = database, batch
        self.password = secrets.token_urlsafe(16)
        self._token_seconds = token_seconds

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """A password file, and first key rings."""
        (self.folder / "password").write_text(self.password)
        for ring in (self.ring, self.data_ring):
            if ring is not None and not ring.exists():
                key = secrets.token_urlsafe(32)
                ring.write_text(json.dumps({"version": "", "active": "k-first", "keys": {"k-first": key}}))
                ring.chmod(0o600)

    def environment(self) -> dict[str, str]:
        """What it is given."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PORT": str(self.port),
            "JWT_RING_FILE": str(self.ring),
            "PASSWORD_FILE": str(self.folder / "password"),
            "TOKEN_SECONDS": str(self._token_seconds),
            "REENCRYPT_BATCH": str(self._batch),
            **({} if self.data_ring is None else {"DATA_RING_FILE": str(self.data_ring), "DATABASE": self._database}),
            **({} if self.user is None else {"DATABASE_USER_FILE": str(self.user)}),
        }

    def command(self) -> list[str]:
        """Node and the script."""
        return [str(require("node")), str(SCRIPT)]

    def is_ready(self) -> bool:
        """It says that it is healthy."""
        return answers(self.port, "/health")

    def log_in(self, user: str = "sara") -> str:
        """A token."""
        status, data = self.ask("POST", "/login", body={"user": user, "password": self.password})
        if status != 200:
            raise RuntimeError(f"the login was answered with {status}")
        return str(data["token"])

    def lets_in(self, token: str) -> bool:
        """Whether a token is accepted."""
        return self.ask("GET", "/me", token=token)[0] == 200

    def version(self) -> str:
        """The version it reports."""
        return str(self.ask("GET", "/internal/secrets")[1]["secrets"]["jwt"])

    def write(self, customer: str, card: str, token: str) -> bool:
        """Whether it took a card number, to be encrypted."""
        return self.ask("PUT", f"/customers/{customer}", body={"card": card}, token=token)[0] == 200

    def read(self, customer: str, token: str) -> str | None:
        """The card number; None when there is none that can be read."""
        status, data = self.ask("GET", f"/customers/{customer}", token=token)
        return str(data["card"]) if status == 200 else None

    def counts(self) -> dict[str, int]:
        """How many cards are under each key."""
        status, data = self.ask("GET", "/internal/encryption")
        if status != 200:
            raise RuntimeError(f"the counters were answered with {status}")
        return dict(data["keys"])

    def ask(self, method: str, path: str, *, body: Any = None, token: str = "") -> tuple[int, Any]:
        """One request."""
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.url + path, data=data, headers=headers, method=method)
        try:
            with _OPENER.open(request, timeout=10) as answer:
                return answer.status, json.load(answer)
        except HTTPError as error:
            with error:
                return error.code, None
