"""Expressions: what an alert measures, taken from the link that Prometheus gives with it.

- A link's expression is taken whole or not at all: at most 2,000 characters, none of them hidden.
- A threshold is split off only where the outermost operation compares with one plain number. What stands in strings,
  braces, brackets and parentheses is not read, only passed over.
- Anything doubtful (`and`, `or`, `unless`, two comparisons, a comment, arithmetic on the number) stays whole, without
  a threshold: a plot without its line is better than a plot of something else.

The grammar: https://prometheus.io/docs/prometheus/latest/querying/operators/ (comparisons bind looser than arithmetic
and tighter than and, or, unless).
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

LONGEST = 2_000
_LONGEST_LINK = 32 * 1024
_OUTER_PARENTHESES = 20
_PIECE = re.compile(
    r"""
    (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' | `[^`]*` )
  | (?P<word> [A-Za-z_:][A-Za-z0-9_:]* )
  | (?P<comparison> == | != | >= | <= | > | < )
  | (?P<open> [(\[{] )
  | (?P<close> [)\]}] )
  | (?P<doubtful> ["'`#=!~,;] )
  | (?P<other> \s+ | [0-9.][0-9A-Za-z_.]* | . )
    """,
    re.VERBOSE | re.DOTALL,
)
# Without leading zeros: Prometheus reads 010 as eight.
_NUMBER = re.compile(
    r"[+-]?\s*(?:0[xX][0-9a-fA-F]{1,15}|(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
)
_BOOL = re.compile(r"\Abool(?![\w:])", re.IGNORECASE)
_MATCHING = re.compile(r"(?:on|ignoring|group_left|group_right)\b\s*\(", re.IGNORECASE)
_PAIRS = {")": "(", "]": "[", "}": "{"}
_SETS = frozenset({"and", "or", "unless"})


class _DoubtfulError(Exception):
    """The expression is not one that this module understands."""


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: str
    text: str
    start: int
    depth: int


def from_generator(url: str) -> str | None:
    """The expression in a Prometheus `generatorURL` (its g0.expr); None when there is none that can be used."""
    if len(url) > _LONGEST_LINK:
        return None
    try:
        found = parse_qs(urlsplit(url).query, max_num_fields=100).get("g0.expr", [])
    except ValueError:
        return None
    return usable(found[0]) if found else None


def usable(expression: str) -> str | None:
    """The expression without spaces around it; None for what is no expression or too long."""
    bare = expression.strip()
    if not bare or len(bare) > LONGEST or any(map(_is_hidden, bare)):
        return None
    return bare


def split_threshold(expression: str) -> tuple[str, float | None]:
    """What is measured and the number it is compared with: `rate(x[1m]) > 0.8` is (`rate(x[1m])`, 0.8). The expression
    as it was given and None when that is not plain to see."""
    if len(expression) > LONGEST:
        return expression, None
    try:
        return _split(_bare(expression))
    except _DoubtfulError:
        return expression, None


def _split(expression: str) -> tuple[str, float]:
    outer = [piece for piece in _pieces(expression) if piece.depth == 0]
    compared = [piece for piece in outer if piece.kind == "comparison"]
    if len(compared) != 1 or any(piece.text.lower() in _SETS for piece in outer if piece.kind == "word"):
        raise _DoubtfulError
    where = compared[0]
    left = _bare(expression[: where.start])
    right = _bare(_BOOL.sub("", expression[where.start + len(where.text) :].strip(), count=1))
    match _number(left), _number(right):
        case None, float(threshold):
            measured = left
        case float(threshold), None:
            measured = right
        case _:
            raise _DoubtfulError
    if not measured or _MATCHING.match(measured):
        raise _DoubtfulError
    return measured, threshold


def _bare(expression: str) -> str:
    """Without the parentheses around all of it, and without the spaces outside."""
    bare = expression.strip()
    for _ in range(_OUTER_PARENTHESES):
        if not bare.startswith("(") or len([piece for piece in _pieces(bare) if piece.depth == 0]) != 2:
            break
        bare = bare[1:-1].strip()
    return bare


def _pieces(expression: str) -> Iterator[_Piece]:
    """The words of an expression and how deep each stands; a bracket stands where the text around it does."""
    opened: list[str] = []
    for match in _PIECE.finditer(expression):
        kind, text = str(match.lastgroup), match.group()
        if kind == "close" and (not opened or opened.pop() != _PAIRS[text]):
            raise _DoubtfulError
        # Within brackets commas, = and ~ have their places; a quote without its end and a comment have none anywhere.
        if kind == "doubtful" and (not opened or text in "\"'`#"):
            raise _DoubtfulError
        yield _Piece(kind, text, match.start(), len(opened))
        if kind == "open":
            opened.append(text)
    if opened:
        raise _DoubtfulError


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    plain = "".join(text.split()).lower()
    value = float(int(plain, 16)) if "0x" in plain else float(plain)
    return value if math.isfinite(value) else None


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs"} and character not in "\t\n\r"
