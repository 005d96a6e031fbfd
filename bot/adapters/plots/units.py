"""Units: how the numbers of a plot read, told from the names in its expression.

- By Prometheus's names (https://prometheus.io/docs/practices/naming/): `_seconds` is ms, s or h, `_bytes` is kB, MB,
  GB, a ratio or percent is %. One scale for the whole picture.
- `rate` of bytes is bytes per second; `rate` of seconds has no unit. Bytes by bytes is a ratio; a sum of seconds by a
  count is seconds; any other division has no unit that a name could tell.
- In doubt there is no unit: a plain number is never wrong.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_STRING = re.compile(r"""\"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`[^`]*`""", re.DOTALL)
_WITHIN = re.compile(
    r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", re.IGNORECASE
)
_NAME = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*(?![A-Za-z0-9_:])(?!\s*\()")
_QUANTILE = "histogram_quantile"
_PER_SECOND = re.compile(r"\b(?:rate|irate|deriv)\s*\(", re.IGNORECASE)
_COUNTED = re.compile(
    r"\b(?:count|count_values|count_over_time|changes|resets|absent)\s*(?:by|without|\()", re.IGNORECASE
)
_HUNDRED = re.compile(r"(?<![0-9.])100(?:\.0*)?(?![0-9.])")
_BYTES = re.compile(r"_bytes(?=_|$)")
_SECONDS = re.compile(r"_seconds(?=_|$)")
_RATIO = re.compile(r"(?:^|[_:])ratio(?=[_:]|\d|$)")
_PERCENT = re.compile(r"(?:^|[_:])(?:percent|percentage)(?=[_:]|\d|$)")
_SIZES = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
_THOUSANDS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_PLAIN_BELOW = 1e4
_ATTACHED = frozenset({"", "%", *(unit for _, unit in _THOUSANDS)})


@dataclass(frozen=True, slots=True)
class Scale:
    """A number of the expression times `factor`, followed by `unit`."""

    factor: float = 1.0
    unit: str = ""

    def spelled(self, value: float, digits: int = 6) -> str:
        """A number of the expression, for people, with at most so many digits that matter."""
        shown = value * self.factor + 0.0  # no minus before a zero
        number = f"{shown:.3g}"
        if shown == 0 or 1e-4 <= abs(shown) < 1e15:
            decimals = min(max(digits - 1 - math.floor(math.log10(abs(shown))), 0), 12) if shown else 0
            number = f"{shown:,.{decimals}f}"
            number = number.rstrip("0").rstrip(".") if decimals else number
        return f"{number}{self.unit}" if self.unit in _ATTACHED else f"{number} {self.unit}"


def scale_of(expression: str, largest: float) -> Scale:
    """The scale for an expression whose largest number is that one."""
    return scale_for(_kind(expression), largest)


def scale_for(kind: str, largest: float) -> Scale:
    """The scale of a kind of numbers: ratio, percent, seconds, bytes, bytes/s, rate; any other word is none."""
    match kind:
        case "ratio":
            return Scale(100.0, "%")
        case "percent":
            return Scale(1.0, "%")
        case "seconds":
            if largest >= 7200:
                return Scale(1 / 3600, "h")
            return Scale(1000.0, "ms") if 0 < largest < 1 else Scale(1.0, "s")
        case "bytes" | "bytes/s":
            size, unit = next((each for each in _SIZES if largest >= each[0]), (1.0, "B"))
            return Scale(1 / size, unit + kind.removeprefix("bytes"))
    size, unit = next((each for each in _THOUSANDS if 1e15 > largest >= max(each[0], _PLAIN_BELOW)), (1.0, ""))
    return Scale(1 / size, f"{unit}/s" if kind == "rate" else unit)


def _kind(expression: str) -> str:
    text = _WITHIN.sub(" ", _STRING.sub(" ", expression))
    if _COUNTED.search(text):
        return ""
    quantile = _QUANTILE in text
    sides = [_of_names(side, quantile=quantile) for side in text.split("/")]
    match sides:
        case [only]:
            kind = _alone(text, only, quantile=quantile)
        case [above, below]:
            kind = _divided(text, above, below)
        case _:
            kind = ""
    if "*" not in text or kind == "percent":
        return kind
    return "percent" if kind == "ratio" and _HUNDRED.search(text) else ""


def _alone(text: str, kind: str, *, quantile: bool) -> str:
    if quantile or not _PER_SECOND.search(text):
        return kind
    return {"bytes": "bytes/s", "seconds": ""}.get(kind, kind)


def _divided(text: str, above: str, below: str) -> str:
    if above == "seconds" and re.search(r"_seconds_sum\b[^/]*/.*_count\b", text, re.DOTALL):
        return "seconds"
    if above == below != "":
        return "percent" if _HUNDRED.search(text) else "ratio"
    return ""


def _of_names(text: str, *, quantile: bool) -> str:
    found = {_of_name(name, quantile=quantile) for name in _NAME.findall(text)} - {""}
    return found.pop() if len(found) == 1 else ""


def _of_name(name: str, *, quantile: bool) -> str:
    if name.endswith("_count") or (name.endswith("_bucket") and not quantile):
        return ""
    for kind, pattern in (("ratio", _RATIO), ("percent", _PERCENT), ("bytes", _BYTES), ("seconds", _SECONDS)):
        if pattern.search(name):
            return kind
    return ""
