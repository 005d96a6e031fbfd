"""One restore in a process of its own, as a worker makes it: niceness, desk, safety backup, staging, switch.

- The folder of the settings holds one backup; what is restored is that. The code is given by a stand-in for factors.
- Memory is measured from the moment the backup is loaded: what the safety backup used before is another bench's.
- Prints one line of JSON: what it took. With `--until-closed` it makes the backup itself, goes on until its
  standard input is closed, and prints nothing.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
import time
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from bot import settings
from bot.wiring.commands import WORKER_NICENESS
from bot.worker import Beat
from handlers.core.words.jobs import JobState
from tests.bench.one_backup import memory_bytes
from tests.bench.turns import until_closed
from tests.chaos.house import Break, House, house
from tests.fakes import someone


@dataclass(frozen=True, slots=True)
class Restored:
    """What one restore took. Memory is this process's alone."""

    seconds: float
    cpu_seconds: float
    memory_peak_bytes: int


def restore(built: House, person: str = "U0SARA") -> Restored:
    """Restores the newest backup. Raises RuntimeError with the job's outcome when it failed."""
    job = built.asked("restore", "latest", by=someone(person))
    cpu, begun = time.process_time(), time.perf_counter()
    built.desk.work(job)
    seconds = time.perf_counter() - begun
    ended = built.loaded(job)
    if ended.state is not JobState.DONE:
        raise RuntimeError(f"the restore failed: {ended.outcome}")
    return Restored(seconds, time.process_time() - cpu, memory_bytes("VmHWM"))


def forget_the_peak() -> None:
    """VmHWM begins again at what is used now (proc(5), clear_refs)."""
    Path("/proc/self/clear_refs").write_text("5")


def main() -> int:
    """See the module."""
    os.nice(WORKER_NICENESS)
    given = settings.read(os.environ, slack=False)
    breaking = Break("fed.1.before", forget_the_peak)
    places = given.mongodb_uri, given.redis_url, Path(given.backup_dir), os.environ["PATH"]
    built = house(*places, breaking, loader=given.restore_loader)
    with closing(built.database), Beat(built.desk):
        if "--until-closed" not in sys.argv:
            print(json.dumps(asdict(restore(built))))
            return 0
        built.desk.work(built.asked("backup", "now"))
        turn = itertools.count()  # a code counts once, so each is another person's
        for _ in until_closed():
            restore(built, f"U{next(turn):08d}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
