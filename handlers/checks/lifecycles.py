"""Lifecycles: until when series of Node, Electron and MongoDB get security fixes, as known on a day.

- What had ended on that day has ended. That something is still supported is believed for 35 days; then it is not known,
  until newer data comes with a release of the bot or in LIFECYCLES_FILE.
- What ships stands in `shipped`, each product with a day of its own: Node's and Electron's by `make lifecycles` from
  npm's registry, MongoDB's by hand from mongodb.com/legal/support-policy/lifecycles and endoflife.date.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from handlers.checks import shipped
from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.words.text import Text

BELIEVED = timedelta(days=35)
PRODUCTS = ("node", "electron", "mongodb")


@dataclass(frozen=True, slots=True)
class Lifecycles:
    """`at`: by product the day as of which it is known. `ends`: by product and series the day of its end; True where
    only that it has ended is known, False where only that it has not."""

    at: Mapping[str, date]
    ends: Mapping[str, Mapping[str, date | bool]]


SHIPPED = Lifecycles(shipped.AT, shipped.ENDS)


def supported(product: str, version: str, known: Lifecycles, today: date) -> Finding:
    """Whether that version still gets fixes."""
    at = known.at.get(product)
    name, source = f"{product} version", "life cycles" if at is None else f"life cycles as of {at:%Y-%m-%d}"
    parts = version.strip().lstrip("v").split(".")
    series = ".".join(parts[:2]) if product == "mongodb" else parts[0]
    end = known.ends.get(product, {}).get(series)
    if end is True or (isinstance(end, date) and end <= today):
        when = f" since {end:%Y-%m-%d}" if isinstance(end, date) else ""
        text = Text(
            "{product} {version} gets no more security fixes{when}.", product=product, version=version, when=when
        )
        return failed(name, text, value=version, limit="supported", source=source)
    if end is None or at is None:
        text = Text("Until when {product} {version} is supported is not known.", product=product, version=version)
        return unknown(name, text, source=source)
    if today - at > BELIEVED:
        text = Text("{product} {version}: what is known of its support is of {day}, too old.", product=product,
                    version=version, day=f"{at:%Y-%m-%d}")  # fmt: skip
        return unknown(name, text, source=source)
    if end is False:
        text = Text("{product} {version} was supported on {day}.", product=product, version=version,
                    day=f"{at:%Y-%m-%d}")  # fmt: skip
    else:
        text = Text("{product} {version} is supported until {day}.", product=product, version=version,
                    day=f"{end:%Y-%m-%d}")  # fmt: skip
    return passed(name, text, value=version, limit="supported", source=source)


def read(data: object) -> tuple[Lifecycles, tuple[str, ...]]:
    """LIFECYCLES_FILE: `at`, a day, or a day for each product; and for each product its series with the day of their
    end each, or whether they have ended. With everything that is wrong."""
    if not isinstance(data, Mapping) or set(data) - {"at", *PRODUCTS}:
        return SHIPPED, (f"expected `at` and any of {', '.join(PRODUCTS)}",)
    at: Any = data.get("at")
    days = dict.fromkeys(PRODUCTS, at) if isinstance(at, date) else at
    if not isinstance(days, Mapping) or not all(isinstance(each, date) for each in days.values()):
        return SHIPPED, ("expected `at`: a day like 2026-11-01, or one for each product",)
    problems, ends = [], {}
    for product in PRODUCTS:
        given: Any = data.get(product, {})
        if not isinstance(given, Mapping) or not all(isinstance(each, date | bool) for each in given.values()):
            problems.append(f"{product}: expected series with the day of their end each")
        elif given and product not in days:
            problems.append(f"{product}: expected its day in `at`")
        else:
            ends[product] = {str(series): end for series, end in given.items()}
    return Lifecycles({str(name): day for name, day in days.items()}, ends), tuple(problems)
