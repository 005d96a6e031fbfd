"""Prometheus over its HTTP API: instant queries, and the rules it alerts by.

- No redirect, never repeated, at most 4 MiB; everything ends within the time.
- A password in the address never reaches an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

import urllib3
from urllib3.exceptions import HTTPError

from handlers.core.runbooks.probes import Sample
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text

MOST_BYTES = 4 * 1024 * 1024
MOST_SAMPLES = 1000


class HttpMetrics:
    """The Metrics, PastMetrics and AlertRules ports."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._pool = urllib3.PoolManager(retries=False, maxsize=2, headers={"User-Agent": "negahban"})

    def loaded(self, seconds: float) -> Mapping[str, str]:
        """See AlertRules."""
        data = self._asked("rules", {"type": "alert"}, seconds, "GET")
        try:
            rules = [rule for group in data["data"]["groups"] for rule in group["rules"]]
            return {str(each["name"]): str(each["health"]) for each in rules if each["type"] == "alerting"}
        except (KeyError, TypeError) as error:
            raise OutsideError(Text("Prometheus' answer is not one."), permanent=True) from error

    def ask(self, expression: str, seconds: float, moment: datetime | None = None) -> tuple[Sample, ...]:
        """See the ports."""
        fields = {"query": expression, "timeout": f"{max(1, int(seconds))}s"}
        if moment is not None:
            fields["time"] = moment.isoformat(timespec="milliseconds")
        data = self._asked("query", fields, seconds, "POST")
        found = data.get("data") if isinstance(data, dict) else None
        if not isinstance(found, dict) or data.get("status") != "success":
            said = str(data.get("error", ""))[:200] if isinstance(data, dict) else ""
            raise OutsideError(Text("Prometheus refused the question: {said}", said=said), permanent=True)
        result, kind = found.get("result"), found.get("resultType")
        if kind == "scalar":
            result = [{"metric": {}, "value": result}]
        if kind not in {"scalar", "vector"} or not isinstance(result, list) or len(result) > MOST_SAMPLES:
            raise OutsideError(Text("Prometheus answered with something else than values."), permanent=True)
        return tuple(map(_sample, result))

    def _asked(self, path: str, fields: Mapping[str, str], seconds: float, method: Literal["GET", "POST"]) -> Any:
        timeout = urllib3.Timeout(total=seconds)
        posted: dict[str, Any] = {"encode_multipart": False} if method == "POST" else {}
        try:
            answer = self._pool.request(
                method,
                f"{self._address}/api/v1/{path}",
                fields=fields,
                **posted,
                redirect=False,
                preload_content=False,
                timeout=timeout,
            )
            with answer:
                content = answer.read(MOST_BYTES + 1)
        except HTTPError as error:
            raise OutsideError(Text("Prometheus does not answer.")) from error
        if len(content) > MOST_BYTES:
            raise OutsideError(Text("Prometheus' answer is larger than 4 MiB."), permanent=True)
        try:
            return json.loads(content)
        except (ValueError, RecursionError) as error:
            raise OutsideError(Text("Prometheus' answer (HTTP {status}) is not JSON.", status=answer.status)) from error


def _sample(data: Any) -> Sample:
    try:
        labels = {str(name): str(value) for name, value in data["metric"].items()}
        return Sample(labels, float(data["value"][1]))
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise OutsideError(Text("Prometheus' answer is not one."), permanent=True) from error
