"""The example backend: Node's own modules, a key ring in a file, sessions that must survive its rotation."""

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
    """One process of it. `ring`: the file it reads; a first key ring is put there when there is none."""

    name = "backend"

    def __init__(self, ring: Path, *, token_seconds: int = 3600) -> None:
        super().__init__()
        self.ring = ring
        self.password = secrets.token_urlsafe(16)
        self._token_seconds = token_seconds

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        """A password file, and a first key ring."""
        (self.folder / "password").write_text(self.password)
        if not self.ring.exists():
            key = secrets.token_urlsafe(32)
            self.ring.write_text(json.dumps({"version": "", "active": "k-first", "keys": {"k-first": key}}))
            self.ring.chmod(0o600)

    def environment(self) -> dict[str, str]:
        """What it is given."""
        return {
            "PATH": os.environ.get("PATH", os.defpath),
            "PORT": str(self.port),
            "JWT_RING_FILE": str(self.ring),
            "PASSWORD_FILE": str(self.folder / "password"),
            "TOKEN_SECONDS": str(self._token_seconds),
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
