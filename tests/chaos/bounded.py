"""A plugin of pytest: `make chaos` ends in time, and nobody chooses what it leaves out.

- The files come in an order that CHAOS_SEED draws, and the seed is said, so that a run can be made again.
- After CHAOS_MINUTES (14) no test begins any more: those that are left are skipped, and counted.
"""

from __future__ import annotations

import os
import random
import secrets
import time
from collections import defaultdict

import pytest

OVER = "the minutes of this run were over"
_UNTIL = "CHAOS_UNTIL"


def pytest_configure(config: pytest.Config) -> None:
    """Draws the seed and sets the end once, for the processes of xdist too: they inherit what is set here."""
    if not hasattr(config, "workerinput"):
        os.environ.setdefault("CHAOS_SEED", str(secrets.randbelow(1_000_000)))
        os.environ[_UNTIL] = str(time.time() + 60 * float(os.environ.get("CHAOS_MINUTES", "14")))


def pytest_report_header() -> str:
    """See pytest's reference."""
    return f"CHAOS_SEED={os.environ['CHAOS_SEED']} draws the order of the files"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files in another order each time; the tests of one stay together, and share what is set up for them."""
    files = defaultdict[str, list[pytest.Item]](list)
    for each in items:
        files[each.nodeid.partition("::")[0]].append(each)
    names = sorted(files)
    random.Random(os.environ["CHAOS_SEED"]).shuffle(names)
    items[:] = [each for name in names for each in files[name]]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Nothing is set up for a test that will not run."""
    if time.time() >= float(os.environ[_UNTIL]):
        pytest.skip(OVER)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """See pytest's reference."""
    left = [each for each in terminalreporter.stats.get("skipped", []) if OVER in str(each.longrepr)]
    names = sorted({each.nodeid.partition("::")[0] for each in left})
    terminalreporter.write_line(
        f"CHAOS_SEED={os.environ['CHAOS_SEED']}: {len(left)} cases were not begun in time: {', '.join(names)}"
        if left
        else f"CHAOS_SEED={os.environ['CHAOS_SEED']}: every case was begun in time"
    )
