"""Debian's packages, for root on a Debian-like system. No service is started by an install.

What is only tried, not used, comes out of Debian's next release: unpacked into a folder, never installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

NEXT = "testing"
"""The release after the newest stable one, by the name that does not change: its programs are weeks old."""
POLICY = Path("/usr/sbin/policy-rc.d")
"""Asked by Debian's packages before they start a service; exit status 101 forbids it (invoke-rc.d(8))."""


def usable() -> bool:
    """Whether this process may install packages here."""
    return sys.platform == "linux" and os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(packages: Sequence[str]) -> bool:
    """Installs the packages; on failure says which in one line and returns False."""
    print(f"installing with apt: {' '.join(packages)}", flush=True)
    with _no_service_starts():
        _run("update")
        if _run("install", "--yes", "--no-install-recommends", *packages):
            return True
    print(f"apt could not install: {' '.join(packages)}", file=sys.stderr)
    return False


def unpack_newer(packages: Sequence[str], folder: Path) -> bool:
    """Puts the files of Debian's next release's packages into the folder; says in one line why not.

    apt proves them as it proves this release's, with lists of its own: this machine's stay as they are.
    """
    print(f"unpacking from Debian's {NEXT}: {' '.join(packages)}", flush=True)
    archive = _archive()
    with tempfile.TemporaryDirectory(prefix="newer-") as scratch:
        own = Path(scratch)
        for name in ("lists/partial", "archives/partial"):
            (own / name).mkdir(parents=True)
        (own / "sources.list").write_text(f"deb {archive} {NEXT} main\n")
        options = [
            f"Dir::Etc::SourceList={own / 'sources.list'}",
            "Dir::Etc::SourceParts=/dev/null",
            f"Dir::State::Lists={own / 'lists'}",
            f"Dir::Cache={own}",
            "Acquire::Languages=none",
            "APT::Sandbox::User=root",
        ]
        chosen = [word for option in options for word in ("-o", option)]
        if archive and _run("update", *chosen) and _run("download", *packages, *chosen, inside=own):
            unpacked = [_extract(package, folder) for package in own.glob("*.deb")]
            if len(unpacked) == len(packages) and all(unpacked):
                return True
    print(f"could not be had from Debian's {NEXT}: {' '.join(packages)}", file=sys.stderr)
    return False


def _archive() -> str:
    """Where this machine gets Debian from; empty when it does not get it anywhere."""
    asked = ["apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)", "Created-By: Packages"]
    answer = subprocess.run(asked, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    return next((line.split()[1] for line in answer.stdout.splitlines() if line.startswith("Debian ")), "")


def _extract(package: Path, folder: Path) -> bool:
    command = ["dpkg-deb", "--extract", str(package), str(folder)]
    return subprocess.run(command, stdin=subprocess.DEVNULL, timeout=300, check=False).returncode == 0


def _run(*arguments: str, inside: Path | None = None) -> bool:
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", *arguments]
    answer = subprocess.run(
        command,
        cwd=inside,
        env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if answer.returncode != 0:
        print(answer.stderr.strip()[-2000:], file=sys.stderr)
    return answer.returncode == 0


@contextmanager
def _no_service_starts() -> Iterator[None]:
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink(missing_ok=True)
