"""A worker process that runs one job and kills itself with SIGKILL at a breaking point.

`python -m tests.chaos.doomed_worker JOB POINT`, with what it needs as JSON on standard input.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

from bot.worker import Beat
from handlers.core.words.answers import JobId
from tests.chaos.house import Break, house


def main() -> None:
    """Works, and dies; ends with 3 when the point was never reached."""
    job, point = sys.argv[1:]
    given = json.load(sys.stdin)
    breaking = Break(point, lambda: os.kill(os.getpid(), signal.SIGKILL))
    built = house(
        given["uri"],
        given["redis"],
        Path(given["folder"]),
        given["path"],
        breaking,
        scratch=given.get("scratch", ""),
        loader=given.get("loader", "native"),
        servers=given.get("servers", {}),
    )
    with Beat(built.desk):
        built.desk.work(JobId(job))
    sys.exit(3)


if __name__ == "__main__":
    main()
