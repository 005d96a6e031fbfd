"""A real OpenBao with KV version 2 at `secret/`, in memory, on loopback."""

from __future__ import annotations

import json
import os
import secrets
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener

from sandbox.parts import require
from sandbox.servers.http import answers
from sandbox.servers.process import Server

_OPENER = build_opener(ProxyHandler({}))


class OpenBao(Server):
    """One server, unsealed, whose root token is random."""

    name = "openbao"

    def __init__(self) -> None:
        super().__init__()
        self.token = f"root-{secrets.token_urlsafe(18)}"

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """Its development mode: nothing is kept when it ends."""
        bao = str(require("bao"))
        return [bao, "server", "-dev", "-dev-no-store-token", f"-dev-listen-address=127.0.0.1:{self.port}"]

    def environment(self) -> dict[str, str]:
        """The root token goes by the environment, not by the command line."""
        home = str(self.folder)
        return {"PATH": os.environ.get("PATH", os.defpath), "HOME": home, "BAO_DEV_ROOT_TOKEN_ID": self.token}

    def is_ready(self) -> bool:
        """Unsealed, and its KV store is there."""
        return answers(self.port, "/v1/sys/health") and self.ask("GET", "sys/mounts/secret") is not None

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request as root."""
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.url}/v1/{path}", data=data, headers={"X-Vault-Token": self.token}, method=method)
        with _OPENER.open(request, timeout=10) as answer:
            content = answer.read()
        return json.loads(content) if content else {}

    def role(self, name: str = "negahban", *, token_seconds: int = 3600) -> tuple[str, str]:
        """A role that may do to `secret/` what rotations do: its id and a secret id."""
        rule = 'path "secret/*" { capabilities = ["create", "read", "update", "delete", "list"] }'
        self.ask("PUT", f"sys/policies/acl/{name}", {"policy": rule})
        if "approle/" not in self.ask("GET", "sys/auth"):
            self.ask("POST", "sys/auth/approle", {"type": "approle"})
        self.ask("POST", f"auth/approle/role/{name}", {"token_policies": [name], "token_ttl": f"{token_seconds}s"})
        role_id = self.ask("GET", f"auth/approle/role/{name}/role-id")["data"]["role_id"]
        secret_id = self.ask("POST", f"auth/approle/role/{name}/secret-id", {})["data"]["secret_id"]
        return str(role_id), str(secret_id)
