"""A worker process that rolls back and kills itself with SIGKILL at a breaking point.

`python -m tests.chaos.doomed_rollback JOB POINT`, with what it needs as JSON on standard input.
"""

from __future__ import annotations

import json
import os
import signal
import sys

from bot.worker import Beat
from handlers.core.words.answers import JobId
from tests.chaos.house import Break
from tests.chaos.rollback_house import rollback_house


def main() -> None:
    """Works, and dies; ends with 3 when the point was never reached."""
    job, point = sys.argv[1:]
    built = rollback_house(json.load(sys.stdin), Break(point, lambda: os.kill(os.getpid(), signal.SIGKILL)))
    with Beat(built.desk):
        built.desk.work(JobId(job))
    sys.exit(3)


if __name__ == "__main__":
    main()
