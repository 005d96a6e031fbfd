"""The policy file: read at start, and again whenever it changed.

- One that cannot be used at start is refused, with everything that is wrong with it.
- Later a bad one keeps the last good rules, says so in the log once and in `problem`, until it is mended.
- Every change of the file is in the audit record, with the version or with what is wrong, before it holds; while it
  cannot be recorded, the rules from before it hold.
- It is looked at with every question; a look costs a stat.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from handlers.core.door import policy_data
from handlers.core.door.rules import Rules
from handlers.core.ports import Audit
from handlers.core.words.audit import AuditEvent
from handlers.core.words.digests import Json
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.text import Code, Text

_log = logging.getLogger(__name__)

Stamp = tuple[int, int, int]


class PolicyFile:
    """A RuleBook over a file. `parse` reads a file's data and raises Refusal."""

    def __init__(self, path: Path, parse: Callable[[Path], object], audit: Audit | None = None) -> None:
        """Raises Refusal for a file that cannot be used."""
        self._path = path
        self._parse = parse
        self._audit = audit
        self._lock = threading.Lock()
        self._stamp = self._stamped()
        self._rules = self._read()
        self.problem = ""

    def current(self) -> Rules:
        """See RuleBook."""
        with self._lock:
            stamp = self._stamped()
            if stamp != self._stamp and self._reload():
                self._stamp = stamp
            return self._rules

    def _reload(self) -> bool:
        """False: what was read could not be recorded, so it does not hold yet."""
        try:
            found = self._read()
        except Problem as problem:
            if not self._recorded("policy.refused", "error", {"problem": str(problem)}):
                return False
            self.problem = str(problem)
            _log.error("the policy was changed and cannot be used; the one before still holds: %s", problem)
            return True
        if not self._recorded("policy.reloaded", "allow", {"before": self._rules.version, "version": found.version}):
            return False
        self._rules, self.problem = found, ""
        _log.info("the policy was read again: version %s", self._rules.version)
        return True

    def _recorded(self, event: str, decision: str, facts: dict[str, Json]) -> bool:
        try:
            if self._audit is not None:
                self._audit.write(AuditEvent(event, decision, None, facts=facts))
        except OutsideError:
            return False
        return True

    def _read(self) -> Rules:
        found, problems = policy_data.read(self._parse(self._path))
        if problems:
            raise Refusal(Text("{file}: {problems}.", file=Code(self._path.name), problems="; ".join(problems[:10])))
        return found

    def _stamped(self) -> Stamp | None:
        try:
            facts = self._path.stat()
        except OSError:
            return None
        return facts.st_mtime_ns, facts.st_size, facts.st_ino
