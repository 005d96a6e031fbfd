"""Which verdicts of which health checks the tests saw: a plugin of pytest, `-p tests.verdicts`.

Every finding that a check of the bot makes while a test runs is written down: its check, its verdict, what it says and
the test. All workers' notes end in `build/verdicts.json`; tests/health_page.py makes the page of them and says which
check no test has seen pass, fail and remain unknown.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handlers.core.health import findings
from handlers.core.health.findings import Finding
from handlers.core.words.text import Text

KEPT = Path("build/verdicts.json")
MAKERS = ("handlers.checks.", "bot.")
VERDICTS = ("passed", "failed", "unknown")
Seen = tuple[str, str, str, str, str, str]
"""The module of the check, its name, the verdict, the template of what it says, the limit, the test."""
SEEN: set[Seen] = set()


def _watched(verdict: str, make: Callable[..., Finding]) -> Callable[..., Finding]:
    def made(name: str, text: Text, **more: Any) -> Finding:
        module = str(sys._getframe(1).f_globals.get("__name__", ""))  # who made it
        test = re.sub(r"\[.*| \(\w+\)$", "", os.environ.get("PYTEST_CURRENT_TEST", ""), flags=re.DOTALL)
        if module.startswith(MAKERS) and test:
            SEEN.add((module, name, verdict, text.template, str(more.get("limit", "")), test))
        return make(name, text, **more)

    return made


for _name in VERDICTS:  # before any check has taken them by name
    setattr(findings, _name, _watched(_name, getattr(findings, _name)))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker is done."""
    SEEN.update(tuple(each) for each in getattr(node, "workeroutput", {}).get("verdicts", ()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hands on what was seen, or keeps it."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["verdicts"] = [list(each) for each in SEEN]
        return
    KEPT.parent.mkdir(exist_ok=True)
    KEPT.write_text(json.dumps(sorted(SEEN), indent=1, ensure_ascii=True))
