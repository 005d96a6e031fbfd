"""Starting backups in processes of their own."""

from __future__ import annotations

import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.parts import search_path
from tests.bench.one_backup import Taken


def environment(uri: str, redis_url: str, folder: Path) -> dict[str, str]:
    """The settings of a worker that keeps its backups in `folder`, which is made."""
    folder.mkdir(exist_ok=True)
    kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "PATH": search_path(),
        "MONGODB_URI": uri,
        "REDIS_URL": redis_url,
        "BACKUP_DIR": str(folder),
        "MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }


def taken(uri: str, redis_url: str, folder: Path, more: Mapping[str, str] | None = None) -> Taken:
    """Makes one backup in a fresh process, with `more` settings. Raises CalledProcessError."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.one_backup"],
        env={**environment(uri, redis_url, folder), **(more or {})},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Taken(**json.loads(done.stdout.splitlines()[-1]))


def endless(uri: str, redis_url: str, folder: Path, module: str = "tests.bench.one_backup") -> subprocess.Popen[bytes]:
    """One backup after the other, or what else the module does, until the process's standard input is closed."""
    return subprocess.Popen(
        [sys.executable, "-m", module, "--until-closed"],
        env=environment(uri, redis_url, folder),
        stdin=subprocess.PIPE,
    )
