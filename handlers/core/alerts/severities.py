"""Severities: how bad an alert is here, whatever its team calls it, and how a card of that severity looks.

- The first rule that matches an alert's labels names its severity; without one it is what its label `severity` says.
- What is critical goes first, takes a card of its own even in a storm, and calls people when nobody acknowledges it.
- A style says the colour of what fires, and perhaps an emoji in the place of the colour's own. What is over, silent or
  not known looks as it always does: nobody takes it for something else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from handlers.core.alerts.notices import Labels
from handlers.core.words.cards import Tone
from handlers.core.words.patterns import Fitting, fit, fitting

KNOWN = ("critical", "error", "warning", "info", "none")
COLOURS = {"red": Tone.BAD, "yellow": Tone.WARNING, "grey": Tone.PLAIN}
LONGEST_EMOJI = 8


@dataclass(frozen=True, slots=True)
class Style:
    """How a card looks while it fires. `emoji`: empty for the colour's own mark."""

    tone: Tone
    emoji: str = ""


DEFAULT = Style(Tone.WARNING)
STYLES: Mapping[str, Style] = {"critical": Style(Tone.BAD), "error": Style(Tone.BAD)}


@dataclass(frozen=True, slots=True)
class Severities:
    """See the module."""

    rules: tuple[tuple[Fitting, str], ...] = ()
    styles: Mapping[str, Style] = field(default_factory=dict)

    def of(self, labels: Labels) -> str:
        """How bad an alert with these labels is."""
        return next((severity for wanted, severity in self.rules if fit(wanted, labels)), own_word(labels))

    def style(self, severity: str) -> Style:
        """How its card looks."""
        return self.styles.get(severity) or STYLES.get(severity, DEFAULT)


def own_word(labels: Labels) -> str:
    """What the alert says itself."""
    return labels.get("severity", "")


def read(rules: Iterable[object], styles: object, problems: list[str]) -> Severities:
    """What the lists in a file say; what is wrong is left out and added to the problems."""
    found = []
    for number, given in enumerate(rules, 1):
        where, before = f"severity {number}", len(problems)
        if not isinstance(given, Mapping) or set(given) != {"match", "is"} or given["is"] not in KNOWN:
            problems.append(f"{where}: expected `match`, and `is` with one of {', '.join(KNOWN)}")
            continue
        wanted = fitting(given["match"], where, problems)
        if len(problems) == before:
            found.append((wanted, str(given["is"])))
    return Severities(tuple(found), _styles(styles, problems))


def _styles(given: object, problems: list[str]) -> dict[str, Style]:
    if not isinstance(given, Mapping):
        problems.append("styles: expected severities, each with a colour and perhaps an emoji")
        return {}
    found = {}
    for severity, style in given.items():
        right = severity in KNOWN and isinstance(style, Mapping) and set(style) <= {"colour", "emoji"}
        emoji = style.get("emoji", "") if isinstance(style, Mapping) else ""
        if not right or style.get("colour") not in COLOURS or not _is_emoji(emoji):
            problems.append(
                f"style {severity}: expected one of {', '.join(KNOWN)}, with `colour` {', '.join(COLOURS)} and perhaps "
                "one `emoji`"
            )
        else:
            found[str(severity)] = Style(COLOURS[style["colour"]], emoji)
    return found


def _is_emoji(value: object) -> bool:
    """Characters above those of writing, or nothing: a word here would read as part of the title."""
    if not isinstance(value, str) or len(value) > LONGEST_EMOJI:
        return False
    return all(ord(each) >= 0x2100 for each in value if each != "\u200d") and not value.startswith("\u200d")
