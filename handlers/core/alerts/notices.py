"""A notice: what one Alertmanager webhook says about one group of alerts, read from hostile bytes.

- Accepted is whatever Alertmanager may really send: unknown fields, absent newer ones, year-1 dates, no alertname, no
  group labels. Refused is only what is no webhook: not JSON, no list of alerts, alerts that are no objects.
- Bounded: at most 2,000 alerts, 64 labels each, 4,096 characters a label value, 2,000 an annotation. What is cut is
  marked, because a cut label cannot be silenced exactly. A link or an expression is kept whole or not at all.
- The receiver comes escaped by Go's regexp.QuoteMeta (template/template.go); it is unescaped here.
- Source: Alertmanager's webhook_config and notify/webhook/webhook.go, 0.25 to 0.34.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text

MOST_ALERTS, MOST_LABELS = 2000, 64
MOST_NAME, MOST_VALUE, MOST_WORDS, MOST_LINK = 256, 4096, 2000, 8192
EXPRESSION = "picture_expression"
KEPT_WORDS = (
    "summary", "description", "message", "runbook", "runbook_url", "dashboard", "dashboard_url", EXPRESSION,
)  # fmt: skip
_QUOTED = re.compile(r"\\([\\.+*?()|\[\]{}^$])")
_FINGERPRINT = re.compile(r"[0-9a-f]{16}")
_NEVER = datetime(1970, 1, 1, tzinfo=UTC)

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """One alert as one message tells it. `ended` None: it fires. `exact`: its labels are whole, nothing was cut.
    `severity`: how bad that is here; empty: as its label says."""

    fingerprint: str
    labels: Labels
    words: Labels
    started: datetime
    ended: datetime | None
    generator: str
    exact: bool = True
    severity: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """One message. `hidden`: alerts that Alertmanager left out (max_alerts); they may fire or be over."""

    source: str
    receiver: str
    labels: Labels
    alerts: tuple[Seen, ...]
    hidden: int = 0
    address: str = ""
    unclear: bool = False
    """A CI report that cannot be used: shown as UNKNOWN, never as fine."""

    @property
    def group(self) -> str:
        """Names the group, whatever becomes of Alertmanager's route tree: source, receiver and group labels."""
        return group_id(self.source, self.receiver, self.labels)


def group_id(source: str, receiver: str, labels: Labels) -> str:
    """20 hex digits."""
    spelled = json.dumps([source, receiver, sorted(labels.items())], ensure_ascii=True)
    return hashlib.sha256(b"negahban/group/1\n" + spelled.encode()).hexdigest()[:20]


def fingerprint_of(labels: Labels) -> str:
    """16 hex digits, for alerts that come without one."""
    return hashlib.sha256(json.dumps(sorted(labels.items())).encode()).hexdigest()[:16]


def read(body: bytes, source: str) -> Notice:
    """Raises Refusal for what is no webhook of Alertmanager."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise _not_one() from None
    if not isinstance(data, dict) or not isinstance(data.get("alerts"), list):
        raise _not_one()
    if not all(isinstance(each, dict) for each in data["alerts"]):
        raise _not_one()
    alerts = tuple(_seen(each) for each in data["alerts"][:MOST_ALERTS])
    left_out = len(data["alerts"]) - len(alerts)
    truncated = data.get("truncatedAlerts")
    hidden = truncated if isinstance(truncated, int) and 0 < truncated < 10**9 else 0
    return Notice(
        source=source,
        receiver=_QUOTED.sub(r"\1", _string(data.get("receiver"), MOST_NAME)),
        labels=_strings(data.get("groupLabels"))[0],
        alerts=alerts,
        hidden=hidden + left_out,
        address=_string(data.get("externalURL"), MOST_WORDS),
    )


def _not_one() -> Refusal:
    return Refusal(Text("This is not a webhook of Alertmanager: a JSON object with a list of alerts is expected."))


def _seen(data: Mapping[str, Any]) -> Seen:
    labels, exact = _strings(data.get("labels"))
    words, _ = _strings(data.get("annotations"))
    given = data.get("fingerprint")
    whole = isinstance(given, str) and _FINGERPRINT.fullmatch(given)
    started = moment(data.get("startsAt")) or _NEVER
    ended = moment(data.get("endsAt"))
    over = data.get("status") == "resolved"
    return Seen(
        fingerprint=str(given) if whole else fingerprint_of(labels),
        labels=labels,
        words=_kept(words),
        started=started,
        ended=(ended or started) if over else None,
        generator=_link(data.get("generatorURL")),
        exact=exact,
    )


def _kept(words: Mapping[str, str]) -> dict[str, str]:
    kept = {name: words[name][:MOST_WORDS] for name in KEPT_WORDS if name in words}
    return {name: word for name, word in kept.items() if name != EXPRESSION or word == words[name]}


def _link(value: object) -> str:
    """Prometheus's link, which holds the alert's expression: half of it would say something else."""
    whole = _string(value, MOST_LINK + 1)
    return whole if len(whole) <= MOST_LINK else ""


def _strings(data: object) -> tuple[dict[str, str], bool]:
    """The pairs of strings in an object, bounded; and whether nothing was cut."""
    if not isinstance(data, dict):
        return {}, True
    pairs = [(name, value) for name, value in data.items() if isinstance(value, str) and len(name) <= MOST_NAME]
    exact = len(pairs) == len(data) <= MOST_LABELS and all(len(value) <= MOST_VALUE for _, value in pairs)
    return {_whole(name): _whole(value[:MOST_VALUE]) for name, value in pairs[:MOST_LABELS]}, exact


def _string(value: object, limit: int) -> str:
    return _whole(value[:limit]) if isinstance(value, str) else ""


def _whole(value: str) -> str:
    """Without lone surrogates, which JSON may spell and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode()


def moment(value: object) -> datetime | None:
    """An RFC 3339 time in UTC; None for the year 1, which means never, and for what is no time."""
    if not isinstance(value, str) or len(value) > 40:
        return None
    try:
        read = datetime.fromisoformat(value)
        read = read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return read if read > _NEVER else None
