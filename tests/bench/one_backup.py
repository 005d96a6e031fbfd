"""One backup in a process of its own, as a worker makes it: niceness, desk, lease, audit, store, manifest.

- Settings come by the environment, as for the bot. The database is the first thing it is told about by MONGODB_URI.
- Prints one line of JSON: what it took. With `--until-closed` it goes on until its standard input is closed, and
  prints nothing; each backup is removed when the next one is made.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bot import settings
from bot.wiring.commands import WORKER_NICENESS
from bot.wiring.entrance import Nobody
from bot.wiring.house import build
from bot.worker import Beat
from handlers.core.door.approval import WORKSPACE
from handlers.core.door.desk import Began, Desk
from handlers.core.words.answers import Actor, Invocation, PersonId, Surface
from handlers.core.words.jobs import JobState
from tests.bench.turns import until_closed


@dataclass(frozen=True, slots=True)
class Taken:
    """What one backup took. Memory is this process's alone, without mongodump."""

    seconds: float
    cpu_seconds: float
    raw_bytes: int
    stored_bytes: int
    memory_before_bytes: int
    memory_peak_bytes: int


def back_up(desk: Desk) -> Taken:
    """Makes one backup. Raises RuntimeError with the job's card when it failed."""
    actor = Actor(PersonId("host"), WORKSPACE, Surface.TERMINAL)
    before, cpu, begun = memory_bytes("VmRSS"), time.process_time(), time.perf_counter()
    answer = desk.ask(Invocation("backup", ("now",), actor, "terminal"))
    if not isinstance(answer, Began):
        raise RuntimeError(f"nothing was begun: {answer.card.title}")
    desk.work(answer.job)
    seconds = time.perf_counter() - begun
    job = desk.load(answer.job)
    if job is None or job.outcome is None or job.state is not JobState.DONE:
        raise RuntimeError(f"the backup failed: {job and job.outcome}")
    raw, stored = job.outcome.facts["raw_bytes"], job.outcome.facts["stored_bytes"]
    if not isinstance(raw, int) or not isinstance(stored, int):
        raise RuntimeError("the job says no sizes")
    return Taken(seconds, time.process_time() - cpu, raw, stored, before, memory_bytes("VmHWM"))


def memory_bytes(name: str) -> int:
    """VmRSS (now) or VmHWM (the most ever) of this program. Elsewhere than on Linux, the most ever."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Not getrusage: there the parent's memory from before exec counts too.
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(fields[name].split()[0]) * 1024


def main() -> int:
    """See the module."""
    os.nice(WORKER_NICENESS)
    given = settings.read(os.environ, slack=False)
    desk = build(given, Nobody()).desk
    with Beat(desk):
        if "--until-closed" not in sys.argv:
            print(json.dumps(asdict(back_up(desk))))
            return 0
        os.nice(WORKER_NICENESS)  # as a worker
        for _ in until_closed():
            back_up(desk)
            shutil.rmtree(Path(given.backup_dir) / "v1")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
