"""The policy file: read at start, and again whenever it changed.

- One that cannot be used at start is refused, with everything that is wrong with it.
- Later a bad one keeps the last good rules, says so in the log once and in `problem`, until it is mended.
- It is looked at with every question; a look costs a stat.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from handlers.core import rules
from handlers.core.errors import Problem, Refusal
from handlers.core.rules import Rules
from handlers.core.text import Code, Text

_log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]


class PolicyFile:
    """A RuleBook over a file. `parse` reads a file's data and raises Refusal."""

    def __init__(self, path: Path, parse: Callable[[Path], object]) -> None:
        """Raises Refusal for a file that cannot be used."""
        self._path = path
        self._parse = parse
        self._lock = threading.Lock()
        self._stamp = self._stamped()
        self._rules = self._read()
        self.problem = ""

    def current(self) -> Rules:
        """See RuleBook."""
        with self._lock:
            stamp = self._stamped()
            if stamp != self._stamp:
                self._stamp = stamp
                self._reload()
            return self._rules

    def _reload(self) -> None:
        try:
            self._rules = self._read()
        except Problem as problem:
            self.problem = str(problem)
            _log.error("the policy was changed and cannot be used; the one before still holds: %s", problem)
            return
        self.problem = ""
        _log.info("the policy was read again: version %s", self._rules.version)

    def _read(self) -> Rules:
        found, problems = rules.read(self._parse(self._path))
        if problems:
            raise Refusal(Text("{file}: {problems}.", file=Code(self._path.name), problems="; ".join(problems[:10])))
        return found

    def _stamped(self) -> Stamp | None:
        try:
            facts = self._path.stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_size, facts.st_ino
