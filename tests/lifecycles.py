"""Life cycles: writes handlers/checks/shipped.py anew from what package registries say, each with its true day.

`make lifecycles` asks npm's registry through npm's own client:
- Node: the release schedule in the package `node-releases`, as of the day that version of it was published.
- Electron: the newest majors of the package `electron`. The latest three are supported
  (https://www.electronjs.org/docs/latest/tutorial/electron-timelines), as of the day the newest was published.
- MongoDB publishes none in a registry: what stands there stays, with its day. To change it, edit the file by hand from
  https://www.mongodb.com/legal/support-policy/lifecycles, and the day with it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from handlers.checks.lifecycles import SHIPPED, Lifecycles

FILE = Path(__file__).parents[1] / "handlers" / "checks" / "shipped.py"
SUPPORTED_MAJORS = 3
_STABLE = re.compile(r"(\d+)\.\d+\.\d+")


def node(schedule: Mapping[str, Any]) -> dict[str, date | bool]:
    """The end of each series of Node, as its schedule has it."""
    return {
        series.lstrip("v"): date.fromisoformat(str(entry["end"]))
        for series, entry in schedule.items()
        if re.fullmatch(r"v\d+", series) and int(series[1:]) >= 4
    }


def electron(published: Mapping[str, str]) -> tuple[date, dict[str, date | bool]]:
    """Of each stable version the time it was published: the day of the newest, and whether each major has ended."""
    stable = {version: at for version, at in published.items() if _STABLE.fullmatch(version)}
    newest = max(int(version.partition(".")[0]) for version in stable)
    ended = {str(major): major <= newest - SUPPORTED_MAJORS for major in range(1, newest + 1)}
    return max(date.fromisoformat(at[:10]) for at in stable.values()), dict(ended)


def spelled(known: Lifecycles) -> str:
    """The module."""
    said = ['"""The life cycles that ship, written by `make lifecycles`; see `lifecycles` for what they mean."""', ""]
    said += ["from __future__ import annotations", "", "from datetime import date", ""]
    said.append("AT = {")
    said += [f'    "{product}": date.fromisoformat("{at}"),' for product, at in known.at.items()]
    said += ["}", "ENDS: dict[str, dict[str, date | bool]] = {"]
    for product, ends in known.ends.items():
        said.append(f'    "{product}": {{')
        for series, end in sorted(ends.items(), key=lambda each: [int(part) for part in each[0].split(".")]):
            value = end if isinstance(end, bool) else f'date.fromisoformat("{end}")'
            said.append(f'        "{series}": {value},')
        said.append("    },")
    return "\n".join([*said, "}", ""])


def main() -> int:
    """Asks, and writes the file."""
    try:
        releases = json.loads(_npm("view", "node-releases", "version", "time", "--json"))
        versions = json.loads(_npm("view", "electron", "time", "--json"))
        schedule = _schedule(releases["version"])
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, tarfile.TarError) as error:
        print(f"nothing was changed: the registry could not be asked by npm ({error})", file=sys.stderr)
        return 1
    at, ends = electron(versions)
    days = {"node": date.fromisoformat(releases["time"][releases["version"]][:10]), "electron": at}
    known = Lifecycles({**SHIPPED.at, **days}, {**SHIPPED.ends, "node": node(schedule), "electron": ends})
    FILE.write_text(spelled(known))
    print("; ".join(f"{product} as of {day}" for product, day in known.at.items()))
    return 0


def _schedule(version: str) -> Mapping[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        name = (
            _npm("pack", f"node-releases@{version}", "--silent", "--pack-destination", folder).strip().splitlines()[-1]
        )
        with tarfile.open(Path(folder) / name) as archive:
            member = archive.extractfile("package/data/release-schedule/release-schedule.json")
            if member is None:
                raise ValueError("no release schedule in it")
            found: Mapping[str, Any] = json.load(member)
            return found


def _npm(*words: str) -> str:
    return subprocess.run(["npm", *words], capture_output=True, text=True, timeout=120, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
