"""Few failures are looked at again, alone; what fails then too, or many, fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = """
import pytest
pytestmark = pytest.mark.xdist_group("one")
def test_good(): (open("ran", "a").write("."))
def test_bad(): assert False
"""


@pytest.mark.parametrize(
    ("failed", "code", "ran"),
    [
        ((), 1, 0),
        (("test_good",), 0, 1),
        (("test_good", "test_bad"), 1, 1),
        (("test_gone",), 1, 0),
        (("test_good", "test_good[1]", "test_good[2]", "test_good[3]", "test_good[4]"), 1, 0),
    ],
)
def test_few_failures_are_looked_at_again_alone(tmp_path: Path, failed: tuple[str, ...], code: int, ran: int) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    (tmp_path / "ran").touch()
    cache = tmp_path / ".pytest_cache/v/cache"
    cache.mkdir(parents=True)
    if failed:
        (cache / "lastfailed").write_text(json.dumps({f"test_it.py::{name}": True for name in failed}))
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, "-m", "tests.second_look"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, len((tmp_path / "ran").read_text())) == (code, ran), done.stdout + done.stderr
    assert ("FLAKY" in done.stdout) is (code == 0)
