"""The Dockerfile: what a linter says of it, and what it must not forget. It is built for real by `make image`."""

from __future__ import annotations

import re
import subprocess
import sysconfig
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"


def linted(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(HADOLINT), "-"], input=text, capture_output=True, text=True, timeout=60, check=False)


def test_the_linter_finds_nothing() -> None:
    ran = linted(DOCKERFILE)
    assert (ran.returncode, ran.stdout) == (0, "")


@pytest.mark.parametrize(
    ("line", "rule"),
    [("USER root", "DL3002"), ("RUN cd /tmp && curl x | sh", "DL3003"), ("FROM debian:latest", "DL3007")],
)
def test_the_linter_would_find_something(line: str, rule: str) -> None:
    assert rule in linted(f"{DOCKERFILE}\n{line}\n").stdout


def test_what_runs_is_not_root_and_only_the_last_stage_is_shipped() -> None:
    last = DOCKERFILE[DOCKERFILE.rindex("\nFROM ") :]
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert "pip install" not in last
    assert "HEALTHCHECK" in last


def test_every_stage_begins_with_the_base_that_is_given_by_digest() -> None:
    assert set(re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)) == {"${BASE}"}
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    steps = {each.get("id"): each for each in release["jobs"]["image"]["steps"]}
    assert "python:3.12-slim@${digest}" in steps["base"]["run"]
    assert "BASE=${{ steps.base.outputs.image }}" in steps["build"]["with"]["build-args"]


def test_a_release_is_checked_audited_listed_and_attested_and_may_do_no_more_than_it_must() -> None:
    release = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text())
    assert release["permissions"] == {}
    jobs = release["jobs"]
    said = [each.get("run") for each in jobs["check"]["steps"]]
    assert [each for each in said if each] == ["make test", "make audit", "make sbom"]
    assert jobs["check"]["permissions"] == {"contents": "read"}
    assert jobs["image"]["needs"] == "check"
    used = [each.get("uses", "").partition("@")[0] for each in jobs["image"]["steps"]]
    assert {"actions/attest-build-provenance", "actions/attest-sbom"} <= set(used)
