"""`python -m tests.newcomer [FOLDER]`: a newcomer's path, from the README alone, with the time of each step.

- Clone; `make demo ARGS=--once`, which installs everything first; then `negahban init` and a green `check` against the
  local Slack, over sockets and over HTTP. 1 when a step does not do what the README says.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECK = "tests/e2e/test_newcomer.py"


def main(place: Path) -> int:
    """See the module."""
    here = place / "negahban"
    steps = {
        "git clone": ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(here)],
        "make demo ARGS=--once (installs first)": ["make", "-C", str(here), "demo", "ARGS=--once"],
        "make demo ARGS=--once (again)": ["make", "-C", str(here), "demo", "ARGS=--once"],
        "negahban init, check (socket)": _tested(here, "socket"),
        "negahban init, check (http)": _tested(here, "http"),
    }
    whole = time.monotonic()
    for said, command in steps.items():
        began = time.monotonic()
        ended = subprocess.run(command, check=False, stdout=subprocess.DEVNULL, cwd=here if here.is_dir() else place)
        print(
            f"{'done' if ended.returncode == 0 else 'FAILED':<6} {time.monotonic() - began:6.1f} s  {said}", flush=True
        )
        if ended.returncode != 0:
            return 1
    print(f"       {time.monotonic() - whole:6.1f} s  all of it")
    return 0


def _tested(here: Path, mode: str) -> list[str]:
    return [str(here / ".venv" / "bin" / "python"), "-m", "pytest", "-q", CHECK, "-k", mode]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(main(Path(folder)))
