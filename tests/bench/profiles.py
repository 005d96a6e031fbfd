"""`make profile`: where the time of the hot paths goes, as flame graphs in docs/profiles.

- Attached to processes that are at work already (hot.py), so that no start is in them; threads that wait are left out.
- Only what runs in Python is seen: the work of zstd is the line that waits for it.
- Where a driver's own threads would fill the picture with their waiting, only what holds Python's lock is drawn.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.bench.hot import PATHS

FOLDER = Path(__file__).parents[2] / "docs" / "profiles"
SECONDS = 15
RATE = 200
WARM_SECONDS = 5.0
BUSY_ONLY = {"replay", "health"}


def pictured(name: str) -> None:
    """Draws one. Raises RuntimeError when its work could not begin."""
    command = [sys.executable, "-m", "tests.bench.hot", name]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as work:
        assert work.stdout is not None
        pid = work.stdout.readline().strip()
        if not pid:
            raise RuntimeError(f"{name} did not begin")
        time.sleep(WARM_SECONDS)
        _recorded(name, pid)
    print(f"{name}: {FOLDER.name}/{name}.svg", flush=True)


def _recorded(name: str, pid: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    # Its title is its command, so there is no path in it.
    command = ["py-spy", "record", f"--pid={pid}", f"--duration={SECONDS}", f"--rate={RATE}", f"--output={name}.svg"]
    command += ["--gil"] if name in BUSY_ONLY else []
    spy = Path(sys.executable).with_name("py-spy")
    subprocess.run(command, executable=spy, cwd=FOLDER, check=True, stdout=subprocess.DEVNULL)


def main() -> int:
    """Makes those that are named, or all."""
    for name in sys.argv[1:] or PATHS:
        pictured(name)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
