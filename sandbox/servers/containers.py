"""Real containers of one engine (sandbox.servers.engines), images made here, a Compose project over them.

Rules:
1. Everything (images, containers, what the engine remembers) is in temporary folders; `stop` removes all of it.
2. Containers use the machine's network and run by runc without systemd's cgroups, so that they run inside a container
   too; their limits are given, because a container may not raise its own.
3. No registry is asked, unless images were published in one of ours: then the team's file names that one.
4. An image is busybox with one script that answers every request: 200 in a good version, 500 in a bad one, and 500 in
   every one while there is a `storm` outside.
"""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import subprocess
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from sandbox.parts import require
from sandbox.servers.engines import Docker, Engine, Podman
from sandbox.servers.ports import free_port
from sandbox.servers.process import NotReady

_LIMITS = {"nofile": {"soft": 1024, "hard": 1024}, "nproc": {"soft": 1000, "hard": 1000}}
_SCRIPT = """#!/bin/busybox sh
read -r line
while read -r header; do [ "${{#header}}" -le 1 ] && break; done
status='{status}'
[ -e /weather/storm ] && status='500 Internal Server Error'
printf 'HTTP/1.1 %s\\r\\nContent-Length: {length}\\r\\nConnection: close\\r\\n\\r\\n{body}' "$status"
"""


class ContainersUnusable(Exception):
    """The engine is here, and this machine does not let it run a container; the text holds what it said."""


class Containers:
    """An engine of its own, and a project `shop` with the service `web` on `port`, and one beside it, `other`."""

    project = "shop"

    def __init__(self, kind: str = "podman") -> None:
        """`kind`: podman, docker."""
        self._engine: Engine = Docker() if kind == "docker" else Podman()
        self.folder = Path(tempfile.mkdtemp(prefix="sandbox-shop-"))
        self._made: dict[tuple[str, bool], str] = {}
        self.repository = "localhost/web"
        self.weather = self.folder / "weather"
        self.weather.mkdir()
        self.port = free_port()
        self.other_port = free_port()

    @property
    def engine(self) -> str:
        """The command of the engine."""
        return str(self._engine.script)

    @property
    def compose(self) -> tuple[str, ...]:
        """The command of Compose."""
        return self._engine.compose

    @property
    def file(self) -> Path:
        """The team's Compose file."""
        return self.folder / "compose.json"

    def start(self) -> Self:
        """Starts the engine. Raises ContainersUnusable when no container runs here."""
        try:
            self._engine.start()
            self.image("v1", good=True)
            limits = [word for name in _LIMITS for word in ("--ulimit", f"{name}=1000:1000")]
            self.said("run", "--rm", "--network", "host", *limits, "localhost/web:v1", "/bin/busybox", "true")
        except (subprocess.CalledProcessError, NotReady) as error:
            said = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
            self.stop()
            raise ContainersUnusable(f"no container can be run here: {said.strip()[-500:]}") from error
        return self

    def image(self, version: str, *, good: bool) -> str:
        """The image of a version, under the tag localhost/web:VERSION, made at its first use: its id."""
        if (version, good) in self._made:
            self.said("tag", self._made[version, good], f"localhost/web:{version}")
            return self._made[version, good]
        body = f"I am {version}"
        status = "200 OK" if good else "500 Internal Server Error"
        script = _SCRIPT.format(status=status, length=len(body), body=body).encode()
        packed = self.folder / f"{version}.tar"
        with tarfile.open(packed, "w") as tar:
            tar.add(require("busybox").resolve(), "bin/busybox")
            entry = tarfile.TarInfo("bin/serve")
            entry.size, entry.mode = len(script), 0o755
            tar.addfile(entry, io.BytesIO(script))
        made = self.said("import", str(packed), f"localhost/web:{version}")
        self._made[version, good] = "sha256:" + made.removeprefix("sha256:")
        return self._made[version, good]

    def publish(self, version: str) -> None:
        """Pushes a version to `repository`, which a registry has; here it then has its old name only."""
        published = f"{self.repository}:{version}"
        self.said("tag", f"localhost/web:{version}", published)
        self.said("push", published)
        self.said("rmi", published)

    def storm(self, *, on: bool) -> None:
        """Something outside that makes every version ill, as a migrated database would."""
        if on:
            (self.weather / "storm").touch()
        else:
            (self.weather / "storm").unlink(missing_ok=True)

    def forget(self, image: str) -> None:
        """Removes an image, as a clean-up would."""
        self.said("rmi", "-f", image)
        self._made = {key: made for key, made in self._made.items() if made != image}

    def health(self, port: int = 0) -> int:
        """The status that the service answers; 0 when it does not."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port or self.port}/health", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
        except OSError:
            return 0

    def write(self, version: str) -> None:
        """The team's file, as it would be after a deployment of that version."""
        services = {
            name: {
                "image": f"{self.repository}:{version}",
                "network_mode": "host",
                "command": ["/bin/busybox", "nc", "-ll", "-p", str(port), "-e", "/bin/serve"],
                "ulimits": _LIMITS,
                "stop_signal": "SIGKILL",
                "volumes": [f"{self.weather}:/weather:ro"],
            }
            for name, port in (("web", self.port), ("other", self.other_port))
        }
        self.file.write_text(json.dumps({"services": services}))

    def deploy(self, version: str) -> None:
        """What the team does: its file names the version, whose `image` was made, and Compose makes it so."""
        self.write(version)
        command = [*self.compose, "-p", self.project, "-f", str(self.file), "up", "-d"]
        self._run(command)
        until = time.monotonic() + 10
        while not (self.health() and self.health(self.other_port)) and time.monotonic() < until:
            time.sleep(0.05)

    def running(self, service: str = "web") -> str:
        """The id of the image that the service's container was made of; empty without one."""
        ids = self.said("ps", "-aq", "--filter", f"label=com.docker.compose.service={service}").split()
        if not ids:
            return ""
        image = str(json.loads(self.said("container", "inspect", ids[0]))[0]["Image"])
        return "sha256:" + image.removeprefix("sha256:")

    def said(self, *words: str) -> str:
        """What the engine answers. Raises CalledProcessError."""
        return self._run([self.engine, *words])

    def stop(self) -> None:
        """Ends every container and removes everything."""
        with contextlib.suppress(RuntimeError, OSError, subprocess.SubprocessError):  # it may never have started
            if ids := self.said("ps", "-aq").split():
                self.said("rm", "-f", *ids)
        self._engine.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, command: list[str]) -> str:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=True
            )
        except subprocess.CalledProcessError as error:
            error.add_note(f"{error.stdout[-1000:]}\n{error.stderr[-2000:]}")
            raise
        return done.stdout.strip()
