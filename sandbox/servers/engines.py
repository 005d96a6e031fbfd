"""What runs containers: Debian's podman with podman-compose, and Docker's own engine with its own Compose.

Rules:
1. `script` is a command that speaks to this engine and to no other; everything it keeps is in `folder`.
2. podman has no process of its own; `dockerd` is one, in a mount namespace of its own, so that nothing of it stays.
3. No network is made, no rule of a firewall: containers use the machine's network, and runc without systemd.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Protocol

from sandbox.parts import require
from sandbox.servers.process import Server

PROGRAMS = {"podman": ("podman", "runc", "busybox"), "docker": ("dockerd", "docker", "docker-compose", "busybox")}


class Engine(Protocol):
    """One engine of this process's own."""

    @property
    def folder(self) -> Path:
        """Where everything is that it keeps."""

    @property
    def script(self) -> Path:
        """The command that speaks to it."""

    @property
    def compose(self) -> tuple[str, ...]:
        """The command of Compose."""

    def start(self) -> object:
        """Makes it usable. Raises NotReady when it does not come up."""

    def stop(self) -> None:
        """Ends it and removes what it kept."""


class Podman:
    """podman with runc; see the module."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="sandbox-containers-"))

    @property
    def script(self) -> Path:
        """See Engine."""
        return self.folder / "engine"

    @property
    def compose(self) -> tuple[str, ...]:
        """podman-compose of this Python."""
        return (sys.executable, "-m", "podman_compose", "--podman-path", str(self.script))

    def start(self) -> None:
        """See Engine."""
        podman, runc = require("podman"), require("runc")
        places = " ".join(f"--{name} {self.folder / name}" for name in ("root", "runroot", "tmpdir"))
        how = f"--storage-driver vfs --runtime {runc} --cgroup-manager cgroupfs --events-backend file"
        _write(self.script, f'exec {podman} {places} {how} "$@"')

    def stop(self) -> None:
        """See Engine."""
        if self.script.exists():
            subprocess.run([self.script, "rmi", "-af"], capture_output=True, timeout=120, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)


class Docker(Server):
    """`dockerd` on a socket in its folder; see the module."""

    name = "dockerd"
    grace_seconds = 20

    @property
    def script(self) -> Path:
        """See Engine."""
        return self.folder / "engine"

    @property
    def compose(self) -> tuple[str, ...]:
        """`docker compose`: the plugin of Docker's client."""
        return (str(self.script), "compose")

    def prepare(self) -> None:
        """The command, and the client's own folder with Compose in it."""
        plugins = self.folder / "client" / "cli-plugins"
        plugins.mkdir(parents=True)
        (plugins / "docker-compose").symlink_to(require("docker-compose"))
        (self.folder / "daemon.json").write_text("{}")
        here = f"DOCKER_HOST=unix://{self.folder}/socket DOCKER_CONFIG={self.folder}/client"
        _write(self.script, f'{here} exec {require("docker")} "$@"')

    def command(self) -> list[str]:
        """See the module's rules."""
        places = ["--data-root", f"{self.folder}/data", "--exec-root", f"{self.folder}/exec"]
        places += ["--pidfile", f"{self.folder}/pid", "--host", f"unix://{self.folder}/socket"]
        network = ["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]
        how = ["--storage-driver", "vfs", "--exec-opt", "native.cgroupdriver=cgroupfs"]
        how += ["--config-file", f"{self.folder}/daemon.json"]  # not the one of this machine
        return ["unshare", "--mount", str(require("dockerd")), *places, *network, *how]

    def environment(self) -> dict[str, str]:
        """PATH with the folders of the programs that it starts: containerd, runc."""
        return {**os.environ, "PATH": os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))}

    def is_ready(self) -> bool:
        """It answers its client."""
        return subprocess.run([self.script, "version"], capture_output=True, timeout=20, check=False).returncode == 0


def _write(script: Path, line: str) -> None:
    script.write_text(f"#!/bin/sh\n{line}\n")
    script.chmod(0o755)
