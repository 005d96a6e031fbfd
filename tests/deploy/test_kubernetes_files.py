"""deploy/kubernetes as it would be applied: by the schemas of Kubernetes itself, and by what it promises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from bot import settings
from bot.settings import SETTINGS
from tests.deploy.kustomize import NotBuilt, Resource, build

SCHEMAS: Any = kubernetes_validate  # it exports by a star
ROOT = Path(__file__).parents[2] / "deploy"
FOLDER = ROOT / "kubernetes"
OVERLAYS = ("small", "production")
VERSIONS = ("1.29", "1.33")
CUSTOM = {"ExternalSecret", "ServiceMonitor", "PrometheusRule"}
"""Kinds of operators: Kubernetes has no schema for them."""
KNOWN = {setting.name: setting for setting in SETTINGS}
NOT_OURS = {"AWS_SHARED_CREDENTIALS_FILE"}
"""boto3's own."""


@pytest.fixture(params=OVERLAYS)
def applied(request: pytest.FixtureRequest) -> list[Resource]:
    return build(FOLDER / "overlays" / request.param)


def of_kind(resources: list[Resource], kind: str) -> dict[str, Resource]:
    return {each["metadata"]["name"]: each for each in resources if each["kind"] == kind}


def pods(resources: list[Resource]) -> dict[str, dict[str, Any]]:
    return {name: each["spec"]["template"] for name, each in of_kind(resources, "Deployment").items()}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_resource_is_one_by_the_schemas_of_kubernetes(applied: list[Resource], version: str) -> None:
    for each in applied:
        if each["kind"] not in CUSTOM:
            SCHEMAS.validate(each, version, strict=True)


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "replicas"), "two"),
        ("Deployment", ("spec", "template", "spec", "securityContext", "runAsNotRoot"), True),
        ("PodDisruptionBudget", ("spec", "minAvaliable"), 1),
    ],
    ids=["a wrong type", "a misprint deep inside", "a misprint"],
)
def test_the_schemas_notice(kind: str, path: tuple[str, ...], value: object) -> None:
    resource = next(iter(of_kind(build(FOLDER / "overlays" / "small"), kind).values()))
    place = resource
    for word in path[:-1]:
        place = place[word]
    place[path[-1]] = value
    with pytest.raises(SCHEMAS.ValidationError):
        SCHEMAS.validate(resource, VERSIONS[-1], strict=True)


def test_every_file_is_listed_and_every_listed_file_is_there() -> None:
    for folder in (place.parent for place in FOLDER.rglob("kustomization.yaml")):
        listed = set(yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"])
        files = {place.name for place in folder.glob("*.yaml")} - {"kustomization.yaml"}
        assert {name for name in listed if name.endswith(".yaml")} == files, folder.name


def test_a_patch_of_what_is_not_there_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text(
        "resources: []\npatches: [{target: {kind: Deployment, name: other}, patch: '{}'}]\n"
    )
    with pytest.raises(NotBuilt):
        build(tmp_path)


def test_two_serve_and_no_update_takes_one_away_before_another_is_ready(applied: list[Resource]) -> None:
    found = of_kind(applied, "Deployment")
    assert found.keys() == {"serve", "worker"}
    for each in found.values():
        assert each["spec"]["replicas"] >= 2
        assert each["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert found["serve"]["spec"]["replicas"] == 2


def test_the_pods_are_restricted_as_the_namespace_demands(applied: list[Resource]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only root besides."""
    (namespace,) = of_kind(applied, "Namespace").values()
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    for pod in pods(applied).values():
        spec = pod["spec"]
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}
        assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"]) == (True, 10001)
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["automountServiceAccountToken"] is False
        for container in spec["containers"]:
            guarded = container["securityContext"]
            assert guarded["allowPrivilegeEscalation"] is False
            assert guarded["readOnlyRootFilesystem"] is True
            assert guarded["capabilities"] == {"drop": ["ALL"]}
        kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
        assert kinds <= {"configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim"}


def test_a_budget_leaves_one_of_each_and_lets_a_node_be_emptied(applied: list[Resource]) -> None:
    for name, pod in pods(applied).items():
        budget = of_kind(applied, "PodDisruptionBudget")[name]["spec"]
        assert budget["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        assert budget["minAvailable"] < of_kind(applied, "Deployment")[name]["spec"]["replicas"]


def test_nothing_comes_in_but_what_serve_answers_and_nothing_goes_out_but_what_is_named(
    applied: list[Resource],
) -> None:
    found = of_kind(applied, "NetworkPolicy")
    assert found["nothing"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    (rule,) = found["serve"]["spec"]["ingress"]
    assert rule["ports"] == [{"port": "http", "protocol": "TCP"}]
    assert all("namespaceSelector" in each for each in rule["from"])
    labels = {name: pod["metadata"]["labels"] for name, pod in pods(applied).items()}
    taken = found["serve"]["spec"]["podSelector"]["matchLabels"].items()
    assert [name for name, given in labels.items() if taken <= given.items()] == ["serve"]
    outward = found["outward"]["spec"]
    assert all(outward["podSelector"]["matchLabels"].items() <= given.items() for given in labels.values())
    assert {port["port"] for rule in outward["egress"] for port in rule["ports"]} == {
        53, 443, 6379, 9090, 9093, 26379, 27017
    }  # fmt: skip


def test_the_service_reaches_serve_alone(applied: list[Resource]) -> None:
    selector = of_kind(applied, "Service")["serve"]["spec"]["selector"].items()
    reached = [name for name, pod in pods(applied).items() if selector <= pod["metadata"]["labels"].items()]
    assert reached == ["serve"]
    ports = pods(applied)["serve"]["spec"]["containers"][0]["ports"]
    assert {each["name"] for each in ports} == {"http"}


def test_secrets_are_files_and_the_settings_are_ours(applied: list[Resource]) -> None:
    data = of_kind(applied, "ConfigMap")["negahban"]["data"]
    given: dict[str, str] = {**data}
    assert not [name for name in data if KNOWN[name].secret]
    for pod in pods(applied).values():
        for variable in pod["spec"]["containers"][0]["env"]:
            name = variable["name"]
            assert variable["value"].startswith("/run/secrets/negahban/")
            if name not in NOT_OURS:
                assert KNOWN[name.removesuffix("_FILE")].secret, name
                given[name.removesuffix("_FILE")] = "x" * 43 + "=" if "KEY" in name else "redis://a/0"
    given |= {"MONGODB_URI": "mongodb://a/shop", "SLACK_BOT_TOKEN": "xoxb-1", "SLACK_APP_TOKEN": "xapp-1"}
    assert settings.read({**given, "MIGRATE_COMMAND": "true"}, slack=True).audit_file == "/record/audit.jsonl"


def test_every_secret_that_a_pod_reads_is_fetched() -> None:
    applied = build(FOLDER / "overlays" / "production")
    fetched = of_kind(applied, "ExternalSecret")["negahban"]["spec"]
    read = {
        Path(each["value"]).name for pod in pods(applied).values() for each in pod["spec"]["containers"][0]["env"]
    }  # fmt: skip
    assert {each["secretKey"] for each in fetched["data"]} == read
    (secret,) = {pod["spec"]["volumes"][0]["secret"]["secretName"] for pod in pods(applied).values()}
    assert fetched["target"]["name"] == secret


def test_prometheus_finds_serve_and_keeps_the_rules_that_are_tested() -> None:
    applied = build(FOLDER / "overlays" / "production")
    monitor = of_kind(applied, "ServiceMonitor")["negahban"]["spec"]
    service = of_kind(applied, "Service")["serve"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {each["port"] for each in monitor["endpoints"]} <= {each["name"] for each in service["spec"]["ports"]}
    assert service["metadata"]["labels"][monitor["jobLabel"]] == "negahban"
    rules = of_kind(applied, "PrometheusRule")["negahban"]["spec"]
    assert rules == yaml.safe_load((ROOT / "prometheus" / "rules" / "negahban.yml").read_text())


def test_the_way_in_is_as_narrow_as_the_shipped_proxy() -> None:
    ingress = of_kind(build(FOLDER / "overlays" / "production"), "Ingress")["serve"]
    (rule,) = ingress["spec"]["rules"]
    paths = {each["path"]: each["pathType"] for each in rule["http"]["paths"]}
    assert paths == {
        "/slack/events": "Exact", "/webhooks/alertmanager": "Exact", "/webhooks/ci": "Exact", "/enrol": "Prefix"
    }  # fmt: skip
    shipped = (ROOT / "nginx" / "negahban.conf").read_text()
    annotations = ingress["metadata"]["annotations"]
    again = annotations["nginx.ingress.kubernetes.io/proxy-next-upstream"]
    assert f"proxy_next_upstream {again};" in shipped


def test_whoever_goes_down_has_the_time_that_the_bot_takes(applied: list[Resource]) -> None:
    found = pods(applied)
    assert found["serve"]["spec"]["terminationGracePeriodSeconds"] >= 60
    assert found["worker"]["spec"]["terminationGracePeriodSeconds"] >= 120
    assert "preStop" in found["serve"]["spec"]["containers"][0]["lifecycle"]
