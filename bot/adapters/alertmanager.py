"""Alertmanager over its API v2.

- Several addresses are peers of one cluster: the first that answers is asked.
- A call waits one second for a connection and three for an answer (two in all, over all peers, where a person waits),
  follows no redirect, is never repeated, and reads at most 32 MiB.
- What it says is somebody else's data: what has no right shape is passed over, or refused as a whole.
- An id that 0.25 does not know is answered with 500, so a silence is looked for before it is lifted.
- A password in an address never reaches an error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from handlers.core.alerts.alertmanagers import Listed, Listing, Standing
from handlers.core.alerts.matchers import Matcher
from handlers.core.alerts.notices import moment
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

MOST_BYTES = 32 * 1024 * 1024
TIMEOUT, PERSON_SECONDS = urllib3.Timeout(connect=1.0, read=3.0), 2.0
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class HttpAlertmanager:
    """See the port."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._addresses = tuple(address.rstrip("/") for address in addresses)
        self._pool = urllib3.PoolManager(retries=False, maxsize=2, headers={"User-Agent": "negahban"})

    def look(self) -> Listing:
        """See the port. The silences are asked for last, so that none an alert names is missing."""
        status = self._asked("GET", "/api/v2/status")
        alerts = self._asked("GET", "/api/v2/alerts")
        silences = self._asked("GET", "/api/v2/silences")
        started = moment(status.get("uptime")) if isinstance(status, dict) else None
        if started is None or not isinstance(alerts, list) or not isinstance(silences, list):
            raise OutsideError(Text("Alertmanager's answer is not one."))
        return Listing(started, dict(filter(None, map(_listed, alerts))), dict(filter(None, map(_standing, silences))))

    def matching(self, matchers: Sequence[Matcher]) -> tuple[Mapping[str, str], ...]:
        """See the port."""
        asked = urlencode([("filter", each.spelled) for each in matchers])
        seconds = PERSON_SECONDS / len(self._addresses)
        found = self._asked("GET", f"/api/v2/alerts?{asked}", refusable=True, seconds=seconds)
        if not isinstance(found, list):
            raise OutsideError(Text("Alertmanager's answer is not one."))
        return tuple(listed[1].labels for listed in map(_listed, found) if listed is not None)

    def silence(self, matchers: Sequence[Matcher], until: datetime, by: str, comment: str, known: str = "") -> str:
        """See the port."""
        wanted = {
            "matchers": [
                {"name": each.name, "value": each.value, "isRegex": each.regex, "isEqual": each.equal}
                for each in matchers
            ],
            "startsAt": datetime.now(UTC).isoformat(),
            "endsAt": until.isoformat(),
            "createdBy": by,
            "comment": comment,
        }
        if known:
            held = self._asked("GET", f"/api/v2/silence/{known}")
            wanted |= {"id": known, "startsAt": held.get("startsAt", wanted["startsAt"])}
        made = self._asked("POST", "/api/v2/silences", wanted, refusable=True)
        if not isinstance(made, dict) or not isinstance(made.get("silenceID"), str):
            raise OutsideError(Text("Alertmanager's answer is not one."))
        return str(made["silenceID"])

    def lift(self, silence: str) -> None:
        """See the port."""
        found = self._asked("GET", "/api/v2/silences")
        if any(isinstance(each, dict) and each.get("id") == silence and _standing(each) for each in found):
            self._asked("DELETE", f"/api/v2/silence/{silence}")

    def _asked(
        self, method: str, path: str, body: object = None, *, refusable: bool = False, seconds: float | None = None
    ) -> Any:
        """Asks each peer until one answers. `refusable`: a 400 is about what a person typed."""
        last: OutsideError | None = None
        for address in self._addresses:
            try:
                return self._one(method, address + path, body, refusable=refusable, seconds=seconds)
            except OutsideError as error:
                last = error
                if error.permanent:
                    raise
        raise last or OutsideError(Text("No Alertmanager is configured."), permanent=True)

    def _one(self, method: str, url: str, body: object, *, refusable: bool, seconds: float | None) -> Any:
        name = Code(f"{method} {urllib3.util.parse_url(url).path}")
        within = TIMEOUT if seconds is None else urllib3.Timeout(total=seconds)
        try:
            answer = self._pool.request(
                method, url, json=body, redirect=False, preload_content=False, timeout=within
            )  # fmt: skip
            with answer:
                content = answer.read(MOST_BYTES + 1)
        except HTTPError as error:
            raise OutsideError(Text("Alertmanager does not answer {call}.", call=name)) from error
        if refusable and answer.status == 400:
            raise Refusal(
                Text("Alertmanager refuses these matchers: {why}", why=content[:300].decode(errors="replace"))
            )
        if answer.status != 200:
            permanent = 400 <= answer.status < 500 and answer.status not in {408, 429}
            text = Text("Alertmanager answered {call} with HTTP {status}.", call=name, status=str(answer.status))
            raise OutsideError(text, permanent=permanent)
        if len(content) > MOST_BYTES:
            raise OutsideError(Text("Alertmanager's answer is larger than 32 MiB."), permanent=True)
        try:
            return json.loads(content) if content else {}
        except (ValueError, RecursionError) as error:
            raise OutsideError(Text("Alertmanager's answer to {call} is not JSON.", call=name)) from error


def _listed(data: object) -> tuple[str, Listed] | None:
    if not isinstance(data, dict) or not isinstance(data.get("fingerprint"), str):
        return None
    status = data.get("status")
    status = status if isinstance(status, dict) else {}
    labels = data.get("labels")
    words = {str(name): str(value) for name, value in labels.items()} if isinstance(labels, dict) else {}
    started = moment(data.get("startsAt")) or _NEVER
    silenced, inhibited = _strings(status.get("silencedBy")), _strings(status.get("inhibitedBy"))
    return data["fingerprint"], Listed(started, words, silenced, inhibited)


def _standing(data: object) -> tuple[str, Standing] | None:
    if not isinstance(data, dict) or not isinstance(data.get("id"), str):
        return None
    until, status = moment(data.get("endsAt")), data.get("status")
    if until is None or not isinstance(status, dict) or status.get("state") == "expired":
        return None
    by, comment = str(data.get("createdBy", ""))[:200], str(data.get("comment", ""))[:1000]
    return data["id"], Standing(by, comment, until)


def _strings(value: object) -> tuple[str, ...]:
    return tuple(str(each) for each in value[:20]) if isinstance(value, list) else ()
