"""What pip-audit's answer says about a lock: PASS, FAIL or UNKNOWN. It ends with 1 for a weakness and for no answer
alike.

- FAIL: a package of the lock has a known weakness. UNKNOWN: a package was not looked at, or the answer is none.
- PASS only when every package of the lock was looked at, in the version that is locked.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from packaging.requirements import Requirement

_LOCKED = re.compile(r"^[A-Za-z0-9][^\n\\]*", re.MULTILINE)


class Verdict(Enum):
    """In the order of an exit code: 0, 1, 2."""

    PASS = 0
    FAIL = 1
    UNKNOWN = 2


@dataclass(frozen=True, slots=True)
class Found:
    """The verdict, and why, a line each."""

    verdict: Verdict
    lines: tuple[str, ...]


def locked(lock: str) -> dict[str, str]:
    """The version of each package that a lock means here, by its normal name (PEP 503)."""
    each = [Requirement(line.strip()) for line in _LOCKED.findall(lock)]
    here = [wanted for wanted in each if wanted.marker is None or wanted.marker.evaluate()]
    return {_normal(wanted.name): str(wanted.specifier).removeprefix("==") for wanted in here}


def judged(lock: str, answer: str) -> Found:
    """See the module."""
    wanted = locked(lock)
    try:
        seen = {_normal(each["name"]): each for each in json.loads(answer)["dependencies"]}
        weak = [line for each in seen.values() for line in _weaknesses(each)]
    except (ValueError, KeyError, TypeError):
        return Found(Verdict.UNKNOWN, ("pip-audit gave no answer that can be read",))
    if weak:
        return Found(Verdict.FAIL, tuple(sorted(weak)))
    unseen = [name for name, version in wanted.items() if seen.get(name, {}).get("version") != version]
    if unseen or not wanted:
        return Found(
            Verdict.UNKNOWN, tuple(f"{name} was not looked at" for name in sorted(unseen)) or ("an empty lock",)
        )
    return Found(Verdict.PASS, (f"{len(wanted)} packages, no known weakness",))


def _weaknesses(package: dict[str, Any]) -> list[str]:
    named = f"{package['name']} {package.get('version', '')}"
    found = package.get("vulns", [])
    return [f"{named}: {each['id']}, mended in {', '.join(each['fix_versions']) or 'no version'}" for each in found]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
