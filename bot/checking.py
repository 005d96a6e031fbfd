"""`check`: reaches every configured system once and prints a table. What could not be asked is not well.

Without the network (`--offline`) only what is in files is looked at: for whoever reviews them.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from typing import TextIO

from handlers.core.words.errors import Problem

# Each says "" when all is well, or what is wrong; it may raise a Problem.
Checks = Mapping[str, Callable[[], str]]


def run(checks: Checks, *, offline: bool, files: Collection[str] = (), out: TextIO = sys.stdout) -> int:
    """Prints a line for each check: 0 when all are well, else 1. `offline`: only those in `files` are asked, which
    read nothing but files."""
    print("ok       settings", file=out)
    wrong = 0
    for name, check in checks.items():
        if offline and name not in files:
            print(f"not asked  {name}", file=out)
            continue
        try:
            problem = check()
        except Problem as error:
            problem = str(error)
        wrong += bool(problem)
        print(f"{'WRONG' if problem else 'ok':<8} {name}{': ' if problem else ''}{problem}", file=out)
    return 1 if wrong else 0
