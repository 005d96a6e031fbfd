"""Faults a test injects, per Web API method or per kind of delivery.

Methods are Slack's names, `response_url`, `upload`, or `commands`, `interactive`, `events` for deliveries;
`*` is any Web API method. Kinds: an HTTP status (`429`, `500`, `503`), `delay` (or `timeout`), `lost_answer`
(done, then the connection is dropped), `duplicate_delivery`, and `error:<code>`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sandbox.slack.errors import JSON

DELIVERIES = ("commands", "interactive", "events")
_KIND = re.compile(r"429|5\d\d|delay|timeout|lost_answer|duplicate_delivery|error:[a-z_]+")


@dataclass(slots=True)
class Fault:
    """One injected fault; `times` None means until it is cleared."""

    method: str
    kind: str
    times: int | None
    retry_after: int
    seconds: float


class Faults:
    """The faults in force, oldest first; one call meets at most one of them."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []

    def add(
        self,
        method: str,
        kind: str,
        *,
        times: int | None = 1,
        retry_after: int = 1,
        seconds: float = 1.0,
    ) -> None:
        """Puts a fault in force. Raises ValueError on a kind that does not exist."""
        if not _KIND.fullmatch(kind):
            raise ValueError(f"unknown kind of fault: {kind}")
        self._faults.append(Fault(method, kind, times, retry_after, seconds))

    def add_from(self, data: JSON) -> None:
        """The same from the control API's JSON."""
        times = data.get("times", 1)
        self.add(
            str(data["method"]),
            str(data["kind"]),
            times=None if times is None else int(times),
            retry_after=int(data.get("retry_after", 1)),
            seconds=float(data.get("seconds", 1.0)),
        )

    def take(self, method: str) -> Fault | None:
        """The fault this call meets, counted down."""
        wide = method not in DELIVERIES
        for fault in self._faults:
            if fault.method == method or (wide and fault.method == "*"):
                if fault.times is not None:
                    fault.times -= 1
                    if fault.times <= 0:
                        self._faults.remove(fault)
                return fault
        return None

    def clear(self) -> None:
        """Ends every fault."""
        self._faults.clear()
