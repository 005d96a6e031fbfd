"""/audit: what was done, by whom, when, and whether the record of it is whole.

- `/audit` shows the newest entries; `by U…`, `target NAME`, `operation WORD`, `denied` narrow it; a number: how many.
- `/audit verify` reads the whole chain, its seals and copies elsewhere, and says its last hash.
- `/audit export FROM TO` examines and seals it, and gives the asker a file that `docs/verify_audit.py` checks alone.
- Only words and that file: seen by the asker alone. An entry is shown as it is written; nothing of it is trusted as
  formatting.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from handlers.core.door.policy import Permission
from handlers.core.door.work import Work
from handlers.core.sealing import exports
from handlers.core.sealing.witness import alarm_card
from handlers.core.words import audit
from handlers.core.words.answers import Attachment, Invocation, Reply
from handlers.core.words.cards import Card, Tone
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import Job, Outcome
from handlers.core.words.text import Code, Person, Text

SHOWN, MOST = 15, 40

Lines = Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries. Empty words mean any."""

    count: int = SHOWN
    person: str = ""
    target: str = ""
    operation: str = ""
    denied: bool = False

    def fits(self, entry: Mapping[str, Any]) -> bool:
        """Whether this is one of them."""
        return (
            self.person in {"", _person(entry)}
            and self.target in {"", str(entry.get("target"))}
            and str(entry.get("operation", "")).startswith(self.operation)
            and (not self.denied or entry.get("decision") == "deny")
        )


class TrailHandler:
    """See the module. `lines`: the record, oldest first; raises Refusal without one."""

    permissions: Mapping[str, Permission] = {"read": Permission.OPERATE}

    def __init__(
        self,
        lines: Lines,
        examine: Callable[[Iterable[bytes]], audit.Verdict] = audit.verify,
        seal: Callable[[], object] = lambda: None,
    ) -> None:
        self._lines = lines
        self._examine = examine
        self._seal = seal

    def ask(self, invocation: Invocation) -> Reply:
        """See Handler."""
        match invocation.words:
            case ("help",):
                return Reply(_help())
            case ("verify",):
                return Reply(self._verified())
            case ("export", *words):
                return self._exported(words)
            case words:
                return Reply(self._listed(wanted(words)))

    def describe(self, job: Job) -> Card:
        """See Handler: alarms about the record."""
        return alarm_card(job)

    def run(self, work: Work) -> Outcome:
        """See Handler: there are no jobs of this kind."""
        raise Refusal(Text("There is no such job."))

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler: there are no jobs of this kind."""
        raise Refusal(Text("There is no such job."))

    def lost(self) -> tuple[Job, ...]:
        """See Handler."""
        return ()

    def _exported(self, words: Sequence[str]) -> Reply:
        made, found = exports.proved(self._lines, self._examine, self._seal, exports.asked(words))
        card = Card(
            Text("Entries {first} to {last} of the audit record", first=made.first, last=made.last),
            Tone.WARNING if found.unasked else Tone.PLAIN,
            (
                Text("I sent you {name}. The seal at its end vouches for all of it.", name=Code(made.name)),
                Text("Check it with `python3 verify_audit.py {name} --key KEY`, on any machine.", name=made.name),
                *_unasked(found),
            ),
        )
        return Reply(card, Attachment(made.name, made.data))

    def _verified(self) -> Card:
        found = self._examine(self._lines())
        if found.problem:
            return Card(
                Text("The audit record was tampered with"),
                Tone.BAD,
                (
                    Text(
                        "{problem}. The {count} entries before are in order.",
                        problem=found.problem,
                        count=found.records,
                    ),
                ),
            )
        if found.torn:
            return Card(Text("The last entry of the audit record is cut"), Tone.WARNING,
                        (Text("{count} entries before it are in order.", count=found.records),))  # fmt: skip
        return Card(
            Text("The audit record is whole: {count} entries", count=found.records),
            Tone.WARNING if found.unasked else Tone.GOOD,
            (
                Text("The last hash is {head}.", head=Code(found.head)),
                Text(
                    "The bot's signature vouches for {sealed} of them, a copy elsewhere for {anchored}.",
                    sealed=found.sealed,
                    anchored=found.anchored,
                ),
                *_unasked(found),
                *(Text("Look at this: {remark}.", remark=remark) for remark in found.remarks),
            ),
        )

    def _listed(self, which: Wanted) -> Card:
        newest: deque[Mapping[str, Any]] = deque(maxlen=which.count)
        for raw in self._lines():
            entry = _entry(raw)
            if entry is not None and which.fits(entry):
                newest.append(entry)
        if not newest:
            return Card(Text("No entry of the audit record is like that"))
        lines = tuple(_line(each) for each in reversed(newest))
        return Card(Text("The newest {count} entries of the audit record", count=len(newest)), lines=lines)


def wanted(words: Sequence[str]) -> Wanted:
    """What the words ask for. Raises Refusal."""
    found: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word = rest[0]
        match rest:
            case [number, *rest] if number.isascii() and number.isdigit() and len(number) < 5:
                found["count"] = max(1, min(MOST, int(number)))
            case ["by", person, *rest]:
                found["person"] = person.lstrip("<@").split("|")[0].rstrip(">")
            case ["target", target, *rest]:
                found["target"] = target
            case ["operation", operation, *rest]:
                found["operation"] = operation
            case ["denied", *rest]:
                found["denied"] = True
            case _:
                raise Refusal(Text("I do not know {word}. `/audit help` says what can be asked.", word=Code(word)))
    return Wanted(**found)


def _unasked(found: audit.Verdict) -> tuple[Text, ...]:
    return (Text("The copies could not be asked: {why}", why=found.unasked),) if found.unasked else ()


def _entry(raw: bytes) -> Mapping[str, Any] | None:
    try:
        entry = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None


def _person(entry: Mapping[str, Any]) -> str:
    actor = entry.get("actor")
    return str(actor.get("person", "")) if isinstance(actor, dict) else ""


def _line(entry: Mapping[str, Any]) -> Text:
    person = _person(entry)
    facts = entry.get("facts") or {}
    told = (
        {key: value for key, value in facts.items() if key in {"job", "reason", "value"}}
        if isinstance(facts, dict)
        else {}
    )
    mark = {"allow": "✓", "deny": "✗"}.get(str(entry.get("decision")), "?")
    return Text(
        "{mark} {when} {who} *{event}* {operation} {target} {told}",
        mark=mark,
        when=_when(entry.get("ts")),
        who=Person(person) if person else Text("the bot"),
        event=str(entry.get("event", "")),
        operation=str(entry.get("operation", "")),
        target=str(entry.get("target", "")),
        told=", ".join(f"{key} {value}" for key, value in told.items())[:120],
    )


def _when(value: object) -> datetime | Text:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return Text("at an unknown time")
    return moment if moment.tzinfo is not None else Text("at an unknown time")


def _help() -> Card:
    return Card(
        Text("/audit shows what was done, by whom and when"),
        lines=(
            Text("`/audit` shows the newest {count}; `/audit 40` more.", count=SHOWN),
            Text(
                "`/audit by U0123456789`, `target shop`, `operation restore`, `denied` narrow it; they can be combined."
            ),
            Text("`/audit verify` reads the whole chain, its seals and copies, and says its last hash."),
            Text("`/audit export 2026-11-01 2026-11-30` gives you these days as a file that proves itself."),
        ),
    )
