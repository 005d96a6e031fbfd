"""The stand-in of Kubernetes refuses what the real API refuses, seen through the official client."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from sandbox.kube.server import Kube


@pytest.fixture
def kube() -> Iterator[Kube]:
    with Kube() as running:
        yield running


def api_of(kube: Kube, folder: Path, token: str = "") -> client.CoreV1Api:
    kube.write_config(folder / "config", token=token)
    configuration = client.Configuration()
    config.load_kube_config(config_file=str(folder / "config"), client_configuration=configuration)
    return client.CoreV1Api(client.ApiClient(configuration))


@pytest.fixture
def api(kube: Kube, tmp_path: Path) -> client.CoreV1Api:
    return api_of(kube, tmp_path)


def secret(name: str = "one", **more: Any) -> dict[str, Any]:
    metadata = {"name": name} | more.pop("metadata", {})
    return {"metadata": metadata, "data": {"value": base64.b64encode(b"x").decode()}} | more


def code_of(act: Any, *given: Any, **more: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as caught:
        act(*given, **more)
    return caught.value.status, str(caught.value.body)


def test_what_is_made_can_be_read_listed_replaced_patched_and_deleted(api: client.CoreV1Api) -> None:
    made = api.create_namespaced_secret("shop", secret(stringData={"more": "y"}))
    assert (made.type, made.data["more"], made.metadata.namespace) == ("Opaque", "eQ==", "shop")
    assert api.read_namespaced_secret("one", "shop").metadata.uid == made.metadata.uid
    assert [each.metadata.name for each in api.list_namespaced_secret("shop").items] == ["one"]
    same = api.replace_namespaced_secret("one", "shop", made)
    assert same.metadata.resource_version == made.metadata.resource_version, "nothing changed"
    changed = api.replace_namespaced_secret("one", "shop", secret(data={"value": "eg=="}))
    assert changed.metadata.resource_version != made.metadata.resource_version
    assert api.delete_namespaced_secret("one", "shop", _preload_content=False).status == 200
    assert code_of(api.read_namespaced_secret, "one", "shop")[0] == 404


@pytest.mark.parametrize("name", ["", "A", "a_b", "-a", "a-", "a..b", "a/b", "a" * 254, "a.-b"])
def test_what_is_no_name_is_422(api: client.CoreV1Api, name: str) -> None:
    assert code_of(api.create_namespaced_secret, "shop", secret(name))[0] == 422


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (secret(data={"value": "no base64"}), 400),
        (secret(data={"a b": "eA=="}), 422),
        (secret(data={"..": "eA=="}), 422),
        (secret(data={"value": base64.b64encode(b"x" * (1024 * 1024 + 1)).decode()}), 422),
        (secret(metadata={"resourceVersion": "1"}), 400),
        (secret(metadata={"namespace": "other"}), 400),
        (secret(metadata={"annotations": {"a b": "x"}}), 422),
        (secret(metadata={"annotations": {"a": "x" * 262_145}}), 422),
        (secret(metadata={"labels": {"a": "x" * 64}}), 422),
        ({**secret(), "kind": "ConfigMap"}, 400),
    ],
    ids=[
        "base64", "key", "dots", "too-large", "version", "namespace", "annotation", "annotations", "label", "kind",
    ],
)  # fmt: skip
def test_what_is_not_valid_is_refused(api: client.CoreV1Api, body: dict[str, Any], code: int) -> None:
    assert code_of(api.create_namespaced_secret, "shop", body)[0] == code
    assert api.list_namespaced_secret("shop").items == []


def test_a_name_that_is_taken_is_409(api: client.CoreV1Api) -> None:
    api.create_namespaced_secret("shop", secret())
    status, body = code_of(api.create_namespaced_secret, "shop", secret())
    assert (status, "AlreadyExists" in body) == (409, True)


def test_an_old_resource_version_is_409_and_none_overwrites_as_in_the_real_one(api: client.CoreV1Api) -> None:
    old = api.create_namespaced_secret("shop", secret())
    api.replace_namespaced_secret("one", "shop", secret(data={"value": "eg=="}))
    status, body = code_of(api.replace_namespaced_secret, "one", "shop", {**secret(), "metadata": {
        "name": "one", "resourceVersion": old.metadata.resource_version}})  # fmt: skip
    assert (status, '"Conflict"' in body) == (409, True)
    api.replace_namespaced_secret("one", "shop", secret(data={"value": "ew=="}))
    status, _ = code_of(api.patch_namespaced_secret, "one", "shop", [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": old.metadata.resource_version}])  # fmt: skip
    assert status == 409


def test_a_secret_that_was_made_anew_is_another(api: client.CoreV1Api) -> None:
    old = api.create_namespaced_secret("shop", secret())
    api.delete_namespaced_secret("one", "shop")
    api.create_namespaced_secret("shop", secret())
    body = secret(metadata={"uid": old.metadata.uid})
    assert code_of(api.replace_namespaced_secret, "one", "shop", body)[0] == 409
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=old.metadata.uid))
    assert code_of(api.delete_namespaced_secret, "one", "shop", body=options)[0] == 409


@pytest.mark.parametrize(
    "change", [{"data": {"value": "eg=="}}, {"immutable": False}, {"immutable": None}, {"type": "other"}],
    ids=["data", "false", "none", "type"],
)  # fmt: skip
def test_an_immutable_secret_stays_as_it_is(api: client.CoreV1Api, change: dict[str, Any]) -> None:
    api.create_namespaced_secret("shop", secret(immutable=True))
    status, body = code_of(api.replace_namespaced_secret, "one", "shop", secret(immutable=True) | change)
    assert (status, "immutable" in body) == (422, True)
    api.replace_namespaced_secret("one", "shop", secret(immutable=True, metadata={"annotations": {"a": "b"}}))


def test_another_name_in_the_body_than_in_the_address_is_400(api: client.CoreV1Api) -> None:
    api.create_namespaced_secret("shop", secret())
    assert code_of(api.replace_namespaced_secret, "one", "shop", secret("two"))[0] == 400
    assert code_of(api.replace_namespaced_secret, "two", "shop", secret("two"))[0] == 404


def test_who_has_no_rule_is_403_and_who_has_no_token_401(kube: Kube, tmp_path: Path) -> None:
    rules = [
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["update", "list"], "resourceNames": ["one"]},
    ]
    api = api_of(kube, tmp_path, kube.account("bot", "shop", rules))
    api.create_namespaced_secret("shop", secret())
    api.create_namespaced_secret("shop", secret("two"))
    api.replace_namespaced_secret("one", "shop", secret())
    status, body = code_of(api.replace_namespaced_secret, "two", "shop", secret("two"))
    assert (status, "cannot update resource" in body) == (403, True)
    assert code_of(api.delete_namespaced_secret, "one", "shop")[0] == 403
    assert code_of(api.list_namespaced_secret, "shop")[0] == 403, "a list has no name"
    assert code_of(api.read_namespaced_secret, "one", "elsewhere")[0] == 403
    assert code_of(client.AppsV1Api(api.api_client).read_namespaced_deployment, "api", "shop")[0] == 403
    assert code_of(api_of(kube, tmp_path, "nobody").read_namespaced_secret, "one", "shop")[0] == 401


def test_a_pod_waits_for_its_secret_and_for_its_key(kube: Kube, api: client.CoreV1Api) -> None:
    kube.deploy("web", "registry/web:v1")
    found = kube.objects.read("web")
    reference = {"secretKeyRef": {"name": "one", "key": "password"}}
    found["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "P", "valueFrom": reference}]
    kube.objects.store(found)
    for body in (None, secret()):
        if body is not None:
            api.create_namespaced_secret("default", body)
        with pytest.raises(TimeoutError):
            kube.settle("web", 0.5)
    api.replace_namespaced_secret("one", "default", secret(stringData={"password": "x"}))
    kube.settle("web")
