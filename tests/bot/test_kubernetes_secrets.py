"""Secrets in the stand-in of Kubernetes: what is particular to them, and Deployments that use them."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from bot import settings
from bot.adapters.kubernetes.asking import connected
from bot.adapters.kubernetes.notes import NOTES, secret_name
from bot.adapters.kubernetes.secrets import KubernetesSecrets
from bot.adapters.kubernetes.workloads import KubernetesRollOut, pointed
from bot.wiring.rotating import estate_of
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.errors import OutsideError
from sandbox.kube.server import Kube
from tests.fakes import FakeClock, MemoryAudit, MemoryStore

NEW, NEWER = "n" * 20 + "-accept-" + "0" * 12, "m" * 20 + "-sign-" + "1" * 12
CANARY = "CANARY-value-that-nobody-may-see"


@dataclass
class Stand:
    """A secret, and a Deployment that uses it in each way there is."""

    kube: Kube
    store: KubernetesSecrets
    api: client.ApiClient

    @property
    def base(self) -> Any:
        return self.kube.secrets.read("default", "app.jwt")

    def stage(self, version: str = NEW, value: str = "new") -> str:
        before = self.store.look("app/jwt").current_id
        self.store.stage("app/jwt", version, Sealed(value.encode()), before)
        return before

    def promoted(self, version: str = NEW, value: str = "new") -> str:
        before = self.stage(version, value)
        self.store.promote("app/jwt", version, before)
        return before

    def deploy(self, deadline: int = 600) -> None:
        secret = "app.jwt"
        self.kube.deploy("api", "registry/api:v1", deadline=deadline)
        found = self.kube.objects.read("api")
        spec = found["spec"]["template"]["spec"]
        spec["volumes"] = [
            {"name": "one", "secret": {"secretName": secret, "items": [{"key": "value", "path": "jwt"}]}},
            {"name": "two", "projected": {"sources": [{"secret": {"name": secret}}]}},
            {"name": "else", "secret": {"secretName": "app.jwt-of-somebody-else", "optional": True}},
        ]
        spec["containers"][0] |= {
            "env": [{"name": "JWT", "valueFrom": {"secretKeyRef": {"name": secret, "key": "value"}}}],
            "envFrom": [{"secretRef": {"name": secret}}],
        }
        spec["initContainers"] = [{"name": "first", "image": "x", "envFrom": [{"secretRef": {"name": secret}}]}]
        self.kube.objects.store(found)

    def roll_out(self, seconds: float = 20) -> KubernetesRollOut:
        serving = lambda: self.store.serving("app/jwt")  # noqa: E731
        return KubernetesRollOut(self.api, "default", ["api"], "app.jwt", serving, seconds)

    def names(self) -> set[str]:
        """The versions that are there as Secrets."""
        items = self.kube.secrets.listed("default")["items"]
        return {each["metadata"]["name"] for each in items} - {"app.jwt", "app.jwt-of-somebody-else"}


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with Kube() as kube:
        kube.write_config(tmp_path / "config")
        api = connected(str(tmp_path / "config"))
        kube.secrets.created("default", {"metadata": {"name": "app.jwt"}, "stringData": {"value": "first"}})
        kube.secrets.created("default", {"metadata": {"name": "app.jwt-of-somebody-else"}})
        yield Stand(kube, KubernetesSecrets(api, "default"), api)


# -- the store ---------------------------------------------------------------------------------------------------------


def test_each_version_is_an_immutable_secret_of_its_own_and_the_team_s_own_has_the_current_value(stand: Stand) -> None:
    before = stand.promoted()
    assert stand.names() == {secret_name("app/jwt", NEW), secret_name("app/jwt", before)}
    found = [stand.kube.secrets.read("default", name) for name in stand.names()]
    assert all(each["immutable"] for each in found)
    assert stand.base["data"]["value"] == "bmV3"
    assert "immutable" not in stand.base


def test_every_write_to_the_place_names_the_resource_version_that_was_looked_at(stand: Stand) -> None:
    seen: list[Any] = []
    real = stand.kube.about_secrets

    def watched(method: str, namespace: str, name: str, kind: str, body: Any) -> Any:
        if name == "app.jwt" and method != "GET":
            version = stand.base["metadata"]["resourceVersion"]
            seen.append({"op": "replace", "path": "/metadata/resourceVersion", "value": version} in body)
        return real(method, namespace, name, kind, body)

    stand.kube.about_secrets = watched  # type: ignore[method-assign]
    before = stand.promoted()
    stand.store.remove("app/jwt", before)
    assert seen == [True] * 4


def test_what_others_write_at_the_same_moment_is_kept(stand: Stand) -> None:
    def label() -> None:
        found = stand.base
        found["metadata"].setdefault("labels", {})["seen"] = f"v{found['metadata']['resourceVersion']}"
        stand.kube.secrets.replaced("default", "app.jwt", found)

    before = stand.stage()
    stand.kube.before_write += [label, label]
    stand.store.promote("app/jwt", NEW, before)
    assert stand.store.look("app/jwt").current_id == NEW
    assert stand.base["metadata"]["labels"]["seen"]


def test_what_is_put_by_hand_at_the_same_moment_is_not_promoted_over(stand: Stand) -> None:
    before = stand.stage()

    def by_hand() -> None:
        stand.kube.secrets.replaced("default", "app.jwt", {**stand.base, "stringData": {"value": "by hand"}})

    stand.kube.before_write.append(by_hand)
    with pytest.raises(OutsideError, match="somebody else changed it"):
        stand.store.promote("app/jwt", NEW, before)
    current = stand.store.look("app/jwt").current_id
    assert stand.store.value("app/jwt", current) == Sealed(b"by hand")


@pytest.mark.parametrize("stopped", range(4))
def test_a_staging_that_stopped_anywhere_can_be_done_again_or_is_cleared_away_by_the_next(
    stand: Stand, stopped: int
) -> None:
    count = itertools.count()

    def stop() -> None:
        if next(count) == stopped:
            raise RuntimeError

    store = stand.store
    for name in ("create_namespaced_secret", "patch_namespaced_secret"):
        real: Callable[..., Any] = getattr(store._api, name)

        def perhaps(*given: Any, real: Callable[..., Any] = real, **more: Any) -> Any:
            stop()
            return real(*given, **more)

        setattr(store._api, name, perhaps)
    try:
        stand.stage(NEW, "lost")
    except RuntimeError:
        assert stand.store.look("app/jwt").pending is None
        before = stand.stage(NEWER, "newer")
        assert stand.names() == {secret_name("app/jwt", NEWER), secret_name("app/jwt", before)}
        assert json.loads(stand.base["metadata"]["annotations"][NOTES])["claims"] == []


def test_of_two_who_stage_at_once_the_later_claim_wins_and_its_value_is_there(stand: Stand) -> None:
    before = stand.store.look("app/jwt").current_id

    def only_claims() -> None:
        stand.store._claimed("app/jwt", NEWER, Sealed(b"newer"), before)

    # Its writes: what is there already, the claim, the value, and that it is there.
    stand.kube.before_write += [lambda: None, lambda: None, only_claims]
    with pytest.raises(OutsideError, match="another rotation"):
        stand.stage()
    assert stand.store.look("app/jwt").pending is None
    stand.stage(NEWER, "newer")
    assert stand.store.value("app/jwt", NEWER) == Sealed(b"newer")
    assert secret_name("app/jwt", NEW) not in stand.names()


def test_a_name_is_never_used_for_another_value(stand: Stand) -> None:
    stand.stage(NEW, "lost")
    stand.kube.secrets.replaced(
        "default", "app.jwt", {**stand.base, "metadata": {**stand.base["metadata"], "annotations": {}}}
    )
    with pytest.raises(OutsideError):
        stand.stage(NEW, "another")
    assert stand.kube.secrets.read("default", secret_name("app/jwt", NEW))["data"]["value"] == "bG9zdA=="


def test_a_place_that_is_not_there_is_made_by_the_team(stand: Stand) -> None:
    with pytest.raises(OutsideError, match="Make it, with a first `value`"):
        stand.store.stage("not/there", NEW, Sealed(b"new"), "")


def test_a_place_that_is_immutable_cannot_be_rotated(stand: Stand) -> None:
    stand.kube.secrets.replaced("default", "app.jwt", {**stand.base, "immutable": True})
    with pytest.raises(OutsideError, match="is immutable") as caught:
        stand.stage()
    assert caught.value.permanent


@pytest.mark.parametrize("place", ["a_b", "a-/b", "a/-b", "a.b"])
def test_a_place_that_is_no_name_in_kubernetes_is_refused(stand: Stand, place: str) -> None:
    with pytest.raises(OutsideError, match="no place"):
        stand.store.look(place)


def test_a_secret_without_that_key_is_told(stand: Stand) -> None:
    stand.kube.secrets.created("default", {"metadata": {"name": "other"}, "stringData": {"password": "x"}})
    with pytest.raises(OutsideError, match="has no value"):
        stand.store.look("other")


@pytest.mark.parametrize("verbs", [[], ["get"], ["get", "patch"], ["get", "create", "delete"]], ids=" ".join)
def test_a_right_that_is_missing_is_a_permanent_refusal_that_tells_nothing(
    stand: Stand, tmp_path: Path, verbs: list[str]
) -> None:
    rules = [{"apiGroups": [""], "resources": ["secrets"], "verbs": verbs}]
    stand.kube.write_config(tmp_path / "less", token=stand.kube.account("less", "default", rules))
    store = KubernetesSecrets(connected(str(tmp_path / "less")), "default")
    with pytest.raises(OutsideError, match="does not let me") as caught:
        store.stage("app/jwt", NEW, Sealed(CANARY.encode()), stand.store.look("app/jwt").current_id)
    assert caught.value.permanent
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


# -- workloads ---------------------------------------------------------------------------------------------------------


def test_a_deployment_is_pointed_at_the_version_and_its_roll_out_is_waited_for(stand: Stand) -> None:
    stand.deploy()
    stand.kube.settle("api")
    stand.promoted()
    assert stand.roll_out().run().return_code == 0
    assert stand.kube.rolled("api")
    template = stand.kube.objects.read("api")["spec"]["template"]
    text = json.dumps(template)
    assert text.count(secret_name("app/jwt", NEW)) == 5
    assert '"app.jwt"' not in text
    assert "app.jwt-of-somebody-else" in text
    assert template["spec"]["containers"][0]["x-unknown-to-clients"] == {"kept": True}
    writes = list(stand.kube.writes)
    stand.roll_out().run()
    assert stand.kube.writes == writes, "it is there already"


def test_going_back_takes_the_former_pods_again(stand: Stand) -> None:
    stand.deploy()
    before = stand.promoted()
    stand.roll_out().run()
    stand.store.promote("app/jwt", before, NEW)
    stand.roll_out().run()
    stand.promoted(NEWER, "newer")
    stand.roll_out().run()
    stand.store.promote("app/jwt", before, NEWER)
    stand.roll_out().run()
    assert secret_name("app/jwt", before) in json.dumps(stand.kube.objects.read("api")["spec"]["template"])
    assert stand.kube.rolled("api")


def test_pods_that_do_not_become_available_are_a_failure_and_the_old_ones_serve_on(stand: Stand) -> None:
    stand.deploy(deadline=1)
    stand.kube.settle("api")
    stand.promoted()
    stand.kube.secrets.deleted("default", secret_name("app/jwt", NEW), None)
    stand.roll_out()
    store = stand.store
    store.serving = lambda place: secret_name("app/jwt", NEW)  # type: ignore[method-assign]
    with pytest.raises(OutsideError, match="progress deadline") as caught:
        stand.roll_out().run()
    assert caught.value.permanent
    assert stand.kube.healthy("default", "api")


def test_a_roll_out_that_does_not_end_in_time_is_a_failure(stand: Stand) -> None:
    stand.deploy()
    stand.promoted()
    stand.kube.controller.never_ready.add("registry/api:v1")
    with pytest.raises(OutsideError, match="had not rolled out in time"):
        stand.roll_out(0.5).run()


def test_a_write_in_between_is_looked_at_again(stand: Stand) -> None:
    stand.deploy()
    stand.kube.settle("api")
    stand.promoted()

    def annotate() -> None:
        found = stand.kube.objects.read("api")
        found["metadata"].setdefault("annotations", {})["seen"] = found["metadata"]["resourceVersion"]
        stand.kube.objects.store(found)

    stand.kube.before_write += [annotate, annotate]
    assert stand.roll_out().run().return_code == 0


def test_what_the_team_deploys_at_the_same_moment_is_not_undone(stand: Stand) -> None:
    stand.deploy()
    stand.promoted()

    def deploy() -> None:
        found = stand.kube.objects.read("api")
        found["spec"]["template"]["spec"]["containers"][0]["image"] = "registry/api:v2"
        stand.kube.objects.store(found)

    stand.kube.before_write.append(deploy)
    stand.roll_out().run()
    assert stand.kube.image("api") == "registry/api:v2"
    assert secret_name("app/jwt", NEW) in json.dumps(stand.kube.objects.read("api")["spec"]["template"])


def test_a_deployment_that_does_not_use_the_secret_is_told(stand: Stand) -> None:
    stand.kube.deploy("api", "registry/api:v1")
    with pytest.raises(OutsideError, match="uses no secret"):
        stand.roll_out().run()


def test_a_paused_deployment_is_told(stand: Stand) -> None:
    stand.deploy()
    stand.promoted()
    found = stand.kube.objects.read("api")
    found["spec"]["paused"] = True
    stand.kube.objects.store(found)
    with pytest.raises(OutsideError, match="paused"):
        stand.roll_out().run()


def test_only_references_to_the_secret_or_to_a_version_of_it_are_pointed() -> None:
    names = ["app.jwt", "app.jwt-0123456789abcdef", "app.jwt-2", "app-jwt", "app.jwt-0123456789abcdef-x", "appxjwt"]
    template = {"spec": {"volumes": [{"secret": {"secretName": name}} for name in names]}}
    assert pointed(template, "app.jwt", "new") == 2
    found = [each["secret"]["secretName"] for each in template["spec"]["volumes"]]
    assert found == ["new", "new", *names[2:]]


def test_what_the_file_says_is_what_is_asked(stand: Stand, tmp_path: Path) -> None:
    stand.deploy()
    (tmp_path / "secrets.yaml").write_text(
        f"stores: {{kube: {{kind: kubernetes, namespace: default, config: {tmp_path}/config}}}}\n"
        "secrets: {jwt: {kind: jwt, store: kube, place: app/jwt, overlap: 1d,"
        ' consumers: [{name: web, deployments: [api], check: "http://web/me"}]}}\n'
    )
    environment = {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "MONGODB_URI": "mongodb://127.0.0.1:1/shop",
        "BACKUP_DIR": str(tmp_path / "backups"),
        "MASTER_KEY": base64.b64encode(bytes(32)).decode(),
        "SECRETS_CONFIG": str(tmp_path / "secrets.yaml"),
    }
    given = settings.read(environment, slack=False)
    estate = estate_of(given, MemoryStore(FakeClock()), MemoryAudit())
    store, before = estate.store(estate.secret("jwt")), stand.store.look("app/jwt").current_id
    store.stage("app/jwt", NEW, Sealed(b"new"), before)
    store.promote("app/jwt", NEW, before)
    estate.consumers["jwt"]["web"].roll_out()
    assert secret_name("app/jwt", NEW) in json.dumps(stand.kube.objects.read("api")["spec"]["template"])
    assert stand.kube.rolled("api")
