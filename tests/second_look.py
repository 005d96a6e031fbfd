"""A second look at the few tests that failed, alone, once nothing else runs: `python -m tests.second_look`.

- Most tests here watch real servers by a real clock. On a machine that does other work as well, one of thousands may
  see its server too late. Such a test is told apart from a broken one by running it alone, and it is named in either
  case: a test that is named often is to be mended.
- More than a few failures are no such thing: then nothing is run again.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

MOST = 4
FAILED = Path(".pytest_cache/v/cache/lastfailed")


def main(failed: Path = FAILED) -> int:
    """0 when the few that failed pass now."""
    names = list(json.loads(failed.read_text())) if failed.exists() else []
    if not 0 < len(names) <= MOST:
        return 1
    print(f"\nA second look, alone, at {len(names)} failed:", *names, sep="\n  ", flush=True)
    if pytest.main(["-n", "0", *names]) != 0:
        return 1
    print("\nFLAKY: these failed beside the others and passed alone:", *names, sep="\n  ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
