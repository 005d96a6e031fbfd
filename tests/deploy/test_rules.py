"""The shipped Prometheus and Alertmanager files, judged by the real promtool and amtool of two releases."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import needs

DEPLOY = Path(__file__).parents[2] / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
# What Alertmanager 0.34.0 reads, by its source (config/config.go, config/notifiers.go, notify/webhook/config.go and
# prometheus/common's HTTPClientConfig); what 0.25 reads is asked of its own amtool below.
KNOWN_TO_0_34 = {
    "": {"route", "receivers"},
    "route": {
        "receiver", "group_by", "group_wait", "group_interval", "repeat_interval", "routes", "matchers", "continue"
    },
    "receivers": {"name", "webhook_configs", "email_configs"},
    "webhook_configs": {"url", "send_resolved", "http_config", "max_alerts"},
    "http_config": {"authorization"},
    "authorization": {"type", "credentials_file"},
    "email_configs": {"to", "from", "smarthost", "send_resolved", "auth_username", "auth_password_file"},
}  # fmt: skip


both_promtools = pytest.mark.parametrize("promtool", ["promtool", "newer-promtool"])
both_amtools = pytest.mark.parametrize("amtool", ["amtool", "newer-amtool"])


def run(part: str, *words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [str(word) for word in (needs(part), *words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@both_promtools
@pytest.mark.parametrize("name", ["latency", "errors", "disk", "negahban"])
def test_the_rules_fire_when_they_must_and_only_then(promtool: str, name: str) -> None:
    answer = run(promtool, "test", "rules", PROMETHEUS / "tests" / f"{name}.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@both_promtools
@pytest.mark.parametrize(
    ("good", "worse"), [("[1m]", "[5m]"), ("for: 5m15s", "for: 4m45s")], ids=["wide-window", "short-wait"]
)
def test_a_worse_latency_rule_is_noticed(promtool: str, tmp_path: Path, good: str, worse: str) -> None:
    shutil.copytree(PROMETHEUS, tmp_path / "prometheus")
    rules = tmp_path / "prometheus" / "rules" / "service.yml"
    assert good in rules.read_text()
    rules.write_text(rules.read_text().replace(good, worse))
    answer = run(promtool, "test", "rules", tmp_path / "prometheus" / "tests" / "latency.yml")
    assert answer.returncode != 0
    assert "FAILED" in answer.stdout + answer.stderr


@both_promtools
@pytest.mark.parametrize("name", ["service", "negahban"])
def test_promtool_accepts_the_rules(promtool: str, name: str) -> None:
    answer = run(promtool, "check", "rules", PROMETHEUS / "rules" / f"{name}.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@both_promtools
def test_promtool_accepts_the_configuration(promtool: str) -> None:
    answer = run(promtool, "check", "config", PROMETHEUS / "prometheus.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


@both_amtools
def test_amtool_accepts_the_configuration(amtool: str) -> None:
    answer = run(amtool, "check-config", DEPLOY / "alertmanager" / "alertmanager.yml")
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_configuration_says_nothing_that_alertmanager_0_34_does_not_know() -> None:
    """Every release refuses a key that it does not know; the newest that is run above is older than this."""

    def unknown(place: str, data: object) -> Iterator[str]:
        if isinstance(data, list):
            for each in data:
                yield from unknown(place, each)
        elif isinstance(data, dict):
            for key, value in data.items():
                if key not in KNOWN_TO_0_34[place]:
                    yield f"{place}.{key}"
                elif isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
                    yield from unknown("route" if key == "routes" else key, value)

    given = yaml.safe_load((DEPLOY / "alertmanager" / "alertmanager.yml").read_text())
    assert list(unknown("", given)) == []
    given["receivers"][0]["webhook_configs"][0]["url_files"] = "x"
    assert list(unknown("", given)) == ["webhook_configs.url_files"]


@both_amtools
@pytest.mark.parametrize(
    ("alert", "receivers"),
    [("Watchdog", "negahban"), ("SlowResponses", "negahban"), ("NegahbanDown", "past-the-bot,negahban")],
)
def test_an_alert_takes_its_route(amtool: str, alert: str, receivers: str) -> None:
    file = DEPLOY / "alertmanager" / "alertmanager.yml"
    answer = run(amtool, "config", "routes", "test", f"--config.file={file}", f"alertname={alert}")
    assert answer.stdout.strip() == receivers
