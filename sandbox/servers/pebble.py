"""A real certificate authority that speaks ACME (Let's Encrypt's pebble), and certbot as its client.

- It proves a name by asking port `http_port` of that name for the challenge, as Let's Encrypt does at port 80.
- certbot keeps everything in a folder of the test's own; its webroot is where the proxy serves challenges from.
"""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import urllib.request
from pathlib import Path

from sandbox.parts import require
from sandbox.servers.certificates import Authority
from sandbox.servers.ports import free_port
from sandbox.servers.process import Server


class Pebble(Server):
    """One authority. `days`: how long its certificates are good."""

    name = "pebble"

    def __init__(self, authority: Authority, http_port: int, days: int = 90) -> None:
        """`authority`: who vouches for the ACME server's own address."""
        super().__init__()
        self._authority = authority
        self._http_port = http_port
        self._days = days
        self._management = free_port()

    @property
    def directory(self) -> str:
        """Where an ACME client begins."""
        return f"https://localhost:{self.port}/dir"

    def prepare(self) -> None:
        """Its own certificate, and its configuration."""
        for name, content in self._authority.server("acme").items():
            (self.folder / name).write_bytes(content)
        given = {
            "listenAddress": f"127.0.0.1:{self.port}",
            "managementListenAddress": f"127.0.0.1:{self._management}",
            "certificate": str(self.folder / "server.pem"),
            "privateKey": str(self.folder / "server.key"),
            "httpPort": self._http_port,
            "tlsPort": self._http_port,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
            "certificateValidityPeriod": self._days * 86_400,
        }
        (self.folder / "pebble.json").write_text(json.dumps({"pebble": given}))

    def command(self) -> list[str]:
        """Strict: what is deprecated is refused."""
        return [str(require("pebble")), "-strict", "-config", str(self.folder / "pebble.json")]

    def environment(self) -> dict[str, str]:
        """No sleeps, and no nonce is refused by chance."""
        return os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}

    def is_ready(self) -> bool:
        """Its directory can be read."""
        self._read(self.directory)
        return True

    def root(self) -> bytes:
        """The certificate to believe: of its root, made anew with each start."""
        return self._read(f"https://localhost:{self._management}/roots/0")

    def _read(self, url: str) -> bytes:
        context = ssl.create_default_context(cafile=str(self._authority.root))
        with urllib.request.urlopen(url, timeout=5, context=context) as answer:
            content: bytes = answer.read()
        return content


class Certbot:
    """The client, for one name. `folder`: everything it keeps."""

    def __init__(self, pebble: Pebble, believed: Path, folder: Path, webroot: Path) -> None:
        self._pebble = pebble
        self._believed = believed
        self._folder = folder
        self._webroot = webroot

    def live(self, name: str) -> Path:
        """Where the files for that name are."""
        return self._folder / "config" / "live" / name

    def obtain(self, name: str) -> None:
        """A certificate for that name, by a challenge in the webroot."""
        wanted = (
            "--webroot",
            "--webroot-path",
            str(self._webroot),
            "--domain",
            name,
            "--register-unsafely-without-email",
        )
        self._run("certonly", *wanted, "--agree-tos")

    def renew(self) -> None:
        """All of them, due or not. Nothing is reloaded."""
        self._run("renew", "--force-renewal", "--no-random-sleep-on-renew")

    def _run(self, *words: str) -> None:
        folders = [f"--{each}-dir={self._folder / each}" for each in ("config", "work", "logs")]
        command = [str(require("certbot")), *words, "--non-interactive", "--server", self._pebble.directory, *folders]
        environment = os.environ | {"REQUESTS_CA_BUNDLE": str(self._believed)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"certbot {words[0]}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
