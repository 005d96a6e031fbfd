"""The shipped Grafana dashboards: their expressions are those of the bot, and Prometheus understands every one."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from handlers.checks.metrics import DEFAULT, panels
from tests.conftest import needs

DEPLOY = Path(__file__).parents[2] / "deploy"
NAMES = ("service", "database", "negahban")
both = pytest.mark.parametrize("promtool", ["promtool", "newer-promtool"])
EXPORTED = re.compile(r"negahban_[a-z_]+")


def board(name: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((DEPLOY / "grafana" / f"{name}.json").read_text())
    return data


def expressions(name: str) -> list[str]:
    return [target["expr"] for panel in board(name)["panels"] for target in panel["targets"]]


def checked(promtool: str, folder: Path, found: list[str]) -> subprocess.CompletedProcess[str]:
    rules = [{"record": f"dashboard:panel:{number}", "expr": each} for number, each in enumerate(found)]
    file = folder / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}))
    command = [str(needs(promtool)), "check", "rules", str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@both
@pytest.mark.parametrize("name", NAMES)
def test_promtool_understands_every_expression(promtool: str, name: str, tmp_path: Path) -> None:
    answer = checked(promtool, tmp_path, expressions(name))
    assert answer.returncode == 0, answer.stdout + answer.stderr


@both
def test_an_expression_that_is_none_would_be_noticed(promtool: str, tmp_path: Path) -> None:
    assert checked(promtool, tmp_path, ["sum(rate(x[5m])"]).returncode != 0


@both
def test_promtool_understands_the_questions_of_the_bot(promtool: str, tmp_path: Path) -> None:
    answer = checked(promtool, tmp_path, [each.query for each in DEFAULT])
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_the_service_is_shown_by_the_questions_that_health_asks() -> None:
    shown = board("service")["panels"]
    for wanted, panel in zip(panels(DEFAULT), shown, strict=False):
        assert [each["expr"] for each in panel["targets"]] == [each.expression for each in wanted.curves]
        limits = [each["value"] for each in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]][1:]
        assert limits == [each for each in (wanted.above, wanted.below) if each is not None]
        assert panel["fieldConfig"]["defaults"]["custom"]["spanNulls"] is False, "a gap stays a gap"


@pytest.mark.parametrize("name", NAMES)
def test_what_is_shown_of_the_bot_is_what_the_bot_exports(name: str) -> None:
    source = "".join(path.read_text() for path in (DEPLOY.parent / "bot").rglob("*.py"))
    for expression in expressions(name):
        for metric in EXPORTED.findall(expression):
            assert metric.removesuffix("_bucket") in source


def test_every_dashboard_that_an_alert_names_is_shipped() -> None:
    named: set[str] = set()
    for path in (DEPLOY / "prometheus" / "rules").glob("*.yml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            named |= {rule["annotations"]["dashboard"] for rule in group["rules"] if "dashboard" in rule["annotations"]}
    assert named <= {board(name)["uid"] for name in NAMES}


def test_what_is_asked_for_is_scraped() -> None:
    jobs = {
        each["job_name"]
        for each in yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())["scrape_configs"]
    }
    assert {"backend", "node", "mongodb", "negahban"} <= jobs
