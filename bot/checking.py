"""`check`: reaches every configured system once and prints a table. What could not be asked is not well."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TextIO

from handlers.core.errors import Problem

# Each says "" when all is well, or what is wrong; it may raise a Problem.
Checks = Mapping[str, Callable[[], str]]


def run(checks: Checks, *, offline: bool, out: TextIO = sys.stdout) -> int:
    """Prints a line for each check: 0 when all are well, else 1. `offline`: only the settings were looked at."""
    print("ok       settings", file=out)
    if offline:
        for name in checks:
            print(f"not asked  {name}", file=out)
        return 0
    wrong = 0
    for name, check in checks.items():
        try:
            problem = check()
        except Problem as error:
            problem = str(error)
        wrong += bool(problem)
        print(f"{'WRONG' if problem else 'ok':<8} {name}{': ' if problem else ''}{problem}", file=out)
    return 1 if wrong else 0
