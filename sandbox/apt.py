"""Debian's packages, for root on a Debian-like system. No service is started by an install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

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


def _run(*arguments: str) -> bool:
    command = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0", *arguments]
    answer = subprocess.run(
        command,
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
