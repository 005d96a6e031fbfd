"""The audit record: whether its chain is whole from its first entry to its last."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from handlers.core import audit
from handlers.core.answers import TargetName
from handlers.core.findings import Finding, failed, passed
from handlers.core.text import Text

SOURCE = "the audit record"


@dataclass(frozen=True, slots=True)
class RecordCheck:
    """See the module. `lines`: the record; raises Problem when it cannot be read."""

    lines: Callable[[], Iterable[bytes]]

    def __call__(self, target: TargetName, seconds: float) -> tuple[Finding, ...]:
        """One finding. Raises Refusal without a record, OutsideError."""
        found = audit.verify(self.lines())
        if found.problem:
            text = Text("The audit record was tampered with: {problem}.", problem=found.problem)
            return (failed("chain", text, value=found.problem, source=SOURCE),)
        if found.torn:
            text = Text("The last of {count} entries is cut; the next one mends that.", count=found.records)
            return (failed("chain", text, value=str(found.records), source=SOURCE),)
        text = Text("{count} entries, in order.", count=found.records)
        return (passed("chain", text, value=str(found.records), source=SOURCE),)
