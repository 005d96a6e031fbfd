"""`python -m tests.image [--base IMAGE]` builds the image with podman and runs it as it is shipped.

- Without a registry the base is made here: debootstrap's smallest Debian with Python, `--base` names another.
- Told: its size (unpacked, and packed as a registry keeps it), how long `run` takes until `/readyz` says yes, against a
  local Slack, MongoDB and Redis, and that it is not root, may write to /tmp alone, keeps no pip, and lacks nothing that
  the bot imports.
- 1 when a promise does not hold.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sandbox import apt
from sandbox.demo.stage import Stage
from sandbox.servers.http import answers
from sandbox.servers.ports import free_port

ROOT = Path(__file__).parents[2]
NAME, BASE = "localhost/negahban", "localhost/negahban-base"
MOST_BYTES, MOST_SECONDS = 200_000_000, 2.0
PACKAGES = "python3,python3-venv,ca-certificates"
RUN = ("--runtime", "runc", "--cgroup-manager=cgroupfs")
EVERYTHING = (
    "import bot, handlers, importlib, pkgutil; "
    "[importlib.import_module(each.name) for package in (bot, handlers) "
    "for each in pkgutil.walk_packages(package.__path__, package.__name__ + '.') if not each.name.endswith('__main__')]"
)
HERE = ("/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt", *(str(each) for each in Path("/opt").glob("*")))
"""What pip needs of this machine to find packages, when it is there."""


def podman(*words: str, **how: object) -> str:
    """One call; its output. Raises CalledProcessError."""
    return subprocess.run(["podman", *words], check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def base() -> str:
    """A Python image of this machine's Debian."""
    if subprocess.run(["podman", "image", "exists", BASE], check=False).returncode == 0:
        return BASE
    if shutil.which("debootstrap") is None and apt.usable():
        apt.install(["debootstrap"])
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "root"
        subprocess.run(
            ["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(folder)], check=True
        )
        (folder / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        for each in (
            "var/cache/apt/archives",
            "var/lib/apt/lists",
            "usr/share/doc",
            "usr/share/locale",
            "usr/share/man",
        ):
            subprocess.run(["rm", "-rf", str(folder / each)], check=True)
        packed = subprocess.run(["tar", "-C", str(folder), "-cf", f"{place}/base.tar", "."], check=True)
        packed.check_returncode()
        podman("import", f"{place}/base.tar", BASE)
    return BASE


def built(image: str, name: str, *arguments: str) -> int:
    """Builds; the unpacked size in bytes."""
    volumes = [word for path in HERE if Path(path).exists() for word in ("--volume", f"{path}:{path}:ro")]
    network = ["--isolation", "chroot", "--network", "host"]
    podman("build", *network, *volumes, "--build-arg", f"BASE={image}", *arguments, "--tag", name, ".")
    return int(json.loads(podman("image", "inspect", name))[0]["Size"])


def packed(name: str) -> int:
    """Its layers with gzip, as a registry keeps them."""
    with tempfile.TemporaryDirectory() as place:
        podman("save", "--format", "docker-archive", "--output", f"{place}/image.tar", name)
        with Path(f"{place}/image.tar").open("rb") as file, gzip.open(f"{place}/image.gz", "wb", 6) as out:
            while piece := file.read(1 << 20):
                out.write(piece)
        return Path(f"{place}/image.gz").stat().st_size


def inside(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a container as it is shipped: read-only, without rights."""
    how = ["--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "host", *LIMITS]
    command = ["podman", *RUN, "run", *how, "--entrypoint", words[0], name, *words[1:]]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1000:1000", "--security-opt", "no-new-privileges")


def ready_seconds(name: str) -> float:
    """From `podman run` to a good /readyz."""
    with Stage(planted=False) as stage, tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        port = free_port()
        given = {**stage.given, "HTTP_PORT": str(port), "HTTP_HOST": "127.0.0.1", "BACKUP_DIR": "/backups"}
        file = Path(folder) / "env"
        file.write_text("".join(f"{key}={value}\n" for key, value in given.items()))
        how = ["--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--network", "host", *LIMITS]
        mounted = ["--env-file", str(file), "--volume", f"{folder}:/backups"]
        began = time.monotonic()
        with subprocess.Popen(["podman", *RUN, "run", *how, *mounted, "--name", "negahban-measured", name]) as process:
            try:
                while not answers(port, "/readyz"):
                    if process.poll() is not None or time.monotonic() - began > 60:
                        raise TimeoutError("it was not ready in a minute")
                    time.sleep(0.02)
                return time.monotonic() - began
            finally:
                subprocess.run(["podman", *RUN, "stop", "negahban-measured"], check=False, stdout=subprocess.DEVNULL)


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.image")
    parser.add_argument("--base", default="")
    given = parser.parse_args()
    size = built(given.base or base(), NAME)
    base_size = int(json.loads(podman("image", "inspect", given.base or BASE))[0]["Size"])
    who, write = inside(NAME, "id", "-u"), inside(NAME, "touch", "/opt/negahban/x")
    whole = inside(NAME, "python", "-c", EVERYTHING)
    pip, temporary = inside(NAME, "pip", "--version"), inside(NAME, "touch", "/tmp/x")
    seconds = ready_seconds(NAME)
    kept = {
        f"unpacked {size / 1e6:.0f} MB, of which the base {base_size / 1e6:.0f} MB": True,
        f"packed {packed(NAME) / 1e6:.0f} MB": packed(NAME) < MOST_BYTES,
        f"`run` ready after {seconds:.2f} s": seconds < MOST_SECONDS,
        f"runs as {who.stdout.strip()}": who.stdout.strip() == "10001",
        "writes only to /tmp": write.returncode != 0 and temporary.returncode == 0,
        "has no pip": pip.returncode != 0,
        "holds what every module of the bot imports": whole.returncode == 0,
    }
    print(*(f"{'holds' if holds else 'DOES NOT HOLD'}: {said}" for said, holds in kept.items()), sep="\n")
    print(whole.stderr[-500:] if whole.returncode else "", end="", file=sys.stderr)
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
