"""The example workflow for CI, its steps run by the shell that a runner uses, against the intake over the wire."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.intake import CI
from bot.web import WebServer, application
from handlers.core.alerts.groups import Group
from handlers.core.alerts.notices import group_id
from tests.bot.test_intake import TOKEN, House
from tests.handlers.test_ci_reports import CLEAN

WORKFLOW = Path(__file__).parents[2] / "deploy" / "ci" / "github-audit.yml"
REPORTS = Path(__file__).parents[1] / "fixtures" / "ci"
REPO, REF = "shop/api", "refs/heads/main"


class Runner:
    """A runner of one job of the workflow: its folder, its tools, and the bot that is told."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.tools = folder / "work", folder / "tools"
        self.folder.mkdir()
        self.tools.mkdir()
        self.house = House()
        self.server = WebServer(application({}, None, webhooks={CI: self.house.intake}), "127.0.0.1", 0)
        self.steps: dict[str, dict[str, Any]] = {
            each["name"]: each
            for each in yaml.safe_load(WORKFLOW.read_text())["jobs"]["audit"]["steps"]
            if "run" in each
        }

    def tool(self, name: str, script: str) -> None:
        """What a tool of this name does."""
        file = self.tools / name
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)

    def run(self, step: str, tool: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
        """As a runner does: bash, and no step after a failed command."""
        known = {
            "PATH": f"{self.tools}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "TOOL": tool,
            "SNYK_TOKEN": "",
            "NEGAHBAN_URL": f"http://127.0.0.1:{self.server.port}",
            "NEGAHBAN_WEBHOOK_TOKEN": token,
            "GITHUB_REPOSITORY": REPO,
            "GITHUB_REF": REF,
        }
        assert set(self.steps[step]["env"]) <= set(known)
        return subprocess.run(
            ["bash", "-e", "-c", self.steps[step]["run"]],
            cwd=self.folder, env=known, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def group(self, tool: str) -> Group | None:
        """What the bot knows about the repository now."""
        return self.house.ledger.load(group_id("ci", "ci", {"tool": tool, "repo": REPO, "ref": REF}))


def needs(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed")


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    needs("bash", "curl", "jq")
    runner = Runner(tmp_path)
    runner.server.start()
    yield runner
    runner.server.close()


def both(runner: Runner, tool: str) -> Group | None:
    asked = runner.run("Ask the tool", tool)
    assert asked.returncode == 0, asked.stderr
    sent = runner.run("Send the report", tool)
    assert sent.returncode == 0, sent.stderr
    return runner.group(tool)


def test_what_npm_audit_found_is_an_alert_and_its_absence_is_its_end(runner: Runner) -> None:
    runner.tool("npm", f"cat '{REPORTS / 'npm-7-found.json'}'; exit 1")
    found = both(runner, "npm-audit")
    assert found is not None
    assert (len(found.firing), found.unclear) == (1, False)
    runner.tool("npm", f"echo '{json.dumps(CLEAN)}'")
    fixed = both(runner, "npm-audit")
    assert fixed is not None
    assert (fixed.over, fixed.unclear) == (True, False)


def test_what_snyk_found_is_an_alert(runner: Runner) -> None:
    runner.tool("npm", "exit 0")
    runner.tool("npx", f"cat '{REPORTS / 'snyk-found.json'}'; exit 1")
    found = both(runner, "snyk")
    assert found is not None
    assert (len(found.firing), found.unclear) == (1, False)


@pytest.mark.parametrize(
    ("npm", "npx"),
    [("exit 1", "exit 0"), ("exit 0", "echo '{\"ok\": false, \"error\": \"no supported files\"}'; exit 3"),
     ("exit 0", "exit 2")],
    ids=["no install", "nothing to look at", "nothing said"],
)  # fmt: skip
def test_a_snyk_that_could_not_look_is_not_known(runner: Runner, npm: str, npx: str) -> None:
    runner.tool("npm", npm)
    runner.tool("npx", npx)
    runner.run("Ask the tool", "snyk")
    assert runner.run("Send the report", "snyk").returncode == 0
    group = runner.group("snyk")
    assert group is not None
    assert group.unclear


def test_the_real_npm_without_a_lock_file_is_not_known(runner: Runner) -> None:
    needs("npm")
    group = both(runner, "npm-audit")
    assert "ENOLOCK" in (runner.folder / "report.json").read_text()
    assert group is not None
    assert group.unclear


def test_a_checkout_that_failed_leaves_no_report_and_is_not_known(runner: Runner) -> None:
    assert runner.run("Send the report", "npm-audit").returncode == 0
    group = runner.group("npm-audit")
    assert group is not None
    assert group.unclear


def test_a_wrong_token_fails_the_step_and_the_token_is_in_no_argument(runner: Runner) -> None:
    runner.tool("curl", f'echo "$@" >> "{runner.folder}/arguments"; exec {shutil.which("curl")} "$@"')
    assert runner.run("Send the report", "snyk", "wrong-token-0123").returncode != 0
    assert runner.group("snyk") is None
    said = (runner.folder / "arguments").read_text()
    assert f"/webhooks/ci?tool=snyk&repo={REPO.replace('/', '%2F')}" in said
    assert "wrong-token" not in said


def test_the_workflow_asks_for_no_more_than_it_needs() -> None:
    given = yaml.safe_load(WORKFLOW.read_text())
    assert given["permissions"] == {"contents": "read"}
    send = given["jobs"]["audit"]["steps"][-1]
    assert (send["name"], send["if"]) == ("Send the report", "always()")
    for step in given["jobs"]["audit"]["steps"]:
        assert "${{" not in step.get("run", ""), "what GitHub fills in could be a command"
