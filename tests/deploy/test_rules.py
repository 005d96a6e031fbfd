"""The shipped Prometheus and Alertmanager files, judged by the real promtool and amtool."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("name", ["latency", "errors", "disk", "negahban"])
def test_the_rules_fire_when_they_must_and_only_then(name: str) -> None:
    answer = run("promtool", "test", "rules", PROMETHEUS / "tests" / f"{name}.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("good", "worse"), [("[1m]", "[5m]"), ("for: 5m30s", "for: 5m")], ids=["wide-window", "short-wait"]
)
def test_a_worse_latency_rule_is_noticed(tmp_path: Path, good: str, worse: str) -> None:
    shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    rules = tmp_path / "prometheus" / "rules" / "service.yml"
    assert good in rules.read_text()
    rules.write_text(rules.read_text().replace(good, worse))
    answer = run("promtool", "test", "rules", tmp_path / "prometheus" / "tests" / "latency.yml")
    assert answer.returncode != 0
    assert "FAILED" in answer.stdout + answer.stderr


@pytest.mark.parametrize("name", ["service", "negahban"])
def test_promtool_accepts_the_rules(name: str) -> None:
    answer = run("promtool", "check", "rules", PROMETHEUS / "rules" / f"{name}.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_promtool_accepts_the_configuration() -> None:
    answer = run("promtool", "check", "config", PROMETHEUS / "prometheus.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_amtool_accepts_the_configuration() -> None:
    answer = run("amtool", "check-config", DEPLOY / "alertmanager" / "alertmanager.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("alert", "receivers"),
    [("Watchdog", "negahban"), ("SlowResponses", "negahban"), ("NegahbanDown", "past-the-bot,negahban")],
)
def test_an_alert_takes_its_route(alert: str, receivers: str) -> None:
    file = DEPLOY / "alertmanager" / "alertmanager.yml"
    answer = run("amtool", "config", "routes", "test", f"--config.file={file}", f"alertname={alert}")
    assert answer.stdout.strip() == receivers
