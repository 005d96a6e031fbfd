"""`python -m tests.supply audit`: 0 no known weakness, 1 there is one, 2 not known. `… sbom`: a list, and the licences.

The tools have an environment of their own (`make audit`, `make sbom`), so that they bring nothing into the bot's.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from tests.supply.verdict import judged

LOCK = Path("requirements/bot.lock")


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(prog="python -m tests.supply")
    parser.add_argument("what", choices=["audit", "sbom"])
    parser.add_argument("--tools", type=Path, required=True, help="the folder of pip-audit, cyclonedx-py, pip-licenses")
    parser.add_argument("--bot", type=Path, help="the Python of an environment that holds the bot alone")
    parser.add_argument("--out", type=Path, default=Path("build"))
    given = parser.parse_args()
    return _audit(given.tools) if given.what == "audit" else _sbom(given.tools, given.bot, given.out)


def _audit(tools: Path) -> int:
    command = [tools / "pip-audit", "--require-hashes", "--disable-pip", "--format", "json", "--requirement", LOCK]
    ran = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    found = judged(LOCK.read_text(), ran.stdout)
    print(found.verdict.name, *found.lines, sep="\n  ")
    if found.verdict.value == 2:
        print(ran.stderr.strip()[-1000:], file=sys.stderr)
    return found.verdict.value


def _sbom(tools: Path, bot: Path, out: Path) -> int:
    """CycloneDX 1.6 of what is installed, and a list of licences that a person reads."""
    out.mkdir(exist_ok=True)
    sbom, licences = out / "negahban.cdx.json", out / "licences.md"
    listing = [tools / "cyclonedx-py", "environment", "--output-reproducible", "--sv", "1.6", "-o", sbom, bot]
    subprocess.run([*map(str, listing)], check=True)
    listing = [
        tools / "pip-licenses",
        f"--python={bot}",
        "--format=markdown",
        "--with-urls",
        f"--output-file={licences}",
    ]
    subprocess.run([*map(str, listing)], check=True)
    print(f"{sbom}\n{licences}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
