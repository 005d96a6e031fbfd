"""The Compose file as it is shipped: no secret outside files, nothing that may more than it must, and a Redis whose
rules let the bot work and nobody else in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dramatiq.brokers.redis
import pytest
import redis
import yaml

from bot.settings import SETTINGS
from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.bench.backups import taken

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"
FILE: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
KNOWN = {setting.name: setting for setting in SETTINGS}
OURS = ("serve", "worker")


@pytest.mark.parametrize("name", OURS)
def test_the_bot_is_given_its_secrets_as_files_and_in_no_other_way(name: str) -> None:
    given = SERVICES[name]["environment"]
    for variable, value in given.items():
        setting = KNOWN.get(variable) or KNOWN[variable.removesuffix("_FILE")]
        assert (variable != setting.name) == setting.secret, variable
        if setting.secret:
            secret = value.removeprefix("/run/secrets/")
            assert secret in SERVICES[name]["secrets"]
            assert FILE["secrets"][secret]["file"].startswith("./secrets/")


@pytest.mark.parametrize("name", OURS)
def test_the_bot_may_do_nothing_that_it_need_not(name: str) -> None:
    service = SERVICES[name]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in service["security_opt"]
    assert list(service["networks"]) == ["inside"]
    assert "ports" not in service
    assert service["deploy"]["replicas"] == 2


def test_only_a_proxy_can_be_reached_from_outside() -> None:
    opened = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    outside = {name for name, ports in opened.items() if not all(each.startswith("127.0.0.1:") for each in ports)}
    assert outside == {"nginx", "traefik"}
    assert all(SERVICES[name]["profiles"] for name in opened)


def test_what_monitoring_calls_the_bot_is_a_name_it_answers_to() -> None:
    aliases = SERVICES["serve"]["networks"]["inside"]["aliases"]
    route = yaml.safe_load((COMPOSE.parent / "alertmanager" / "alertmanager.yml").read_text())
    (ours,) = (each for each in route["receivers"] if each["name"] == "negahban")
    assert urlsplit(ours["webhook_configs"][0]["url"]).hostname in aliases
    scraped = yaml.safe_load((COMPOSE.parent / "prometheus" / "prometheus.yml").read_text())
    (job,) = (each for each in scraped["scrape_configs"] if each["job_name"] == "negahban")
    assert job["dns_sd_configs"][0]["names"] == aliases
    assert scraped["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] == ["alertmanager:9093"]
    assert "alertmanager" in SERVICES


def test_grafana_finds_prometheus_and_every_dashboard() -> None:
    provisioning = COMPOSE.parent / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text())["datasources"]
    assert (source["type"], urlsplit(source["url"]).hostname) == ("prometheus", "prometheus")
    assert "prometheus" in SERVICES
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "negahban.yaml").read_text())["providers"]
    mounted = dict(each.removesuffix(":ro").split(":") for each in SERVICES["grafana"]["volumes"])
    assert mounted["../grafana/provisioning"] == "/etc/grafana/provisioning"
    assert mounted["../grafana"] == provider["options"]["path"]
    assert {each.stem for each in (COMPOSE.parent / "grafana").glob("*.json")} == {"database", "negahban", "service"}


def test_whoever_reads_a_secret_of_the_bots_is_in_its_group() -> None:
    """Alertmanager's and Grafana's images run as users of their own, 65534 and 472."""
    readers = {
        name: service["secrets"] for name, service in SERVICES.items() if name not in OURS and "secrets" in service
    }
    assert readers == {
        "redis": ["redis_acl"], "alertmanager": ["webhook_token"], "grafana": ["grafana_password"],
    }  # fmt: skip
    assert SERVICES["alertmanager"]["group_add"] == ["10001"]


def test_every_image_has_a_version_and_can_be_replaced() -> None:
    for name, service in SERVICES.items():
        assert re.fullmatch(r"\$\{\w+_IMAGE:-[\w./-]+:[\w.-]+\}", service["image"]), name


def test_what_is_mounted_from_here_is_here() -> None:
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in FILE["volumes"] or (COMPOSE / source).exists(), volume


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[RedisServer]:
    """Redis with the shipped file and rules, in its own folder."""
    rules = (COMPOSE / "redis.acl.example").read_text().replace("CHANGE-ME", "opened")
    (tmp_path / "acl").write_text(rules)
    written = [
        line.split(maxsplit=1) for line in (COMPOSE / "redis.conf").read_text().splitlines() if line[:1].isalpha()
    ]
    options = [word for name, value in written if name != "dir" for word in (f"--{name}", value)]
    with RedisServer(*options, "--aclfile", str(tmp_path / "acl")) as server:
        yield server


def test_nobody_without_the_password_learns_anything_from_redis(guarded: RedisServer) -> None:
    with redis.Redis(port=guarded.port) as client:
        assert client.ping()
        for command in ("KEYS *", "GET x", "INFO", "FLUSHALL", "CONFIG GET *"):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*command.split())


def test_the_bot_works_under_the_rules_and_may_not_empty_redis(
    guarded: RedisServer, mongod: Mongod, tmp_path: Path
) -> None:
    with mongod.client() as client:
        client.shop_under_rules.orders.insert_one({"_id": 1})
    url = f"redis://negahban:opened@127.0.0.1:{guarded.port}/0"
    try:
        made = taken(mongod.uri("shop_under_rules"), url, tmp_path / "backups")
        assert made.stored_bytes > 0
        with redis.Redis.from_url(url) as user:
            for command in ("FLUSHALL", "FLUSHDB", "SHUTDOWN", "CONFIG SET appendonly no", "DEBUG SLEEP 0"):
                with pytest.raises(redis.exceptions.NoPermissionError):
                    user.execute_command(*command.split())
    finally:
        with mongod.client() as client:
            client.drop_database("shop_under_rules")


def test_the_queue_may_do_all_that_its_scripts_do(guarded: RedisServer) -> None:
    """What hands on the jobs of a dead worker runs seldom: a rule that forbids it would be noticed too late."""
    scripts = "".join(path.read_text() for path in Path(dramatiq.brokers.redis.__file__).parent.glob("**/*.lua"))
    used = set(re.findall(r"redis\.p?call\(\s*[\"'](\w+)", scripts))
    assert {"keys", "zadd", "hget"} <= used
    with redis.Redis.from_url(f"redis://negahban:opened@127.0.0.1:{guarded.port}/0") as user:
        for command in used:
            arity = abs(user.command()[command]["arity"])
            try:
                user.execute_command(command, *["0"] * (arity - 1))
            except redis.exceptions.NoPermissionError:
                pytest.fail(f"the queue may not {command}")
            except redis.exceptions.ResponseError:
                pass  # it may, and was asked nonsense
