"""Deployments over the stand-in of Kubernetes: what is particular to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.adapters.kubernetes.asking import connected
from bot.adapters.kubernetes.services import KubernetesServices
from handlers.core.runbooks.deployments import Change
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.kube.server import Kube


@dataclass
class Stand:
    """A Deployment that ran v1 and runs v2."""

    kube: Kube
    services: KubernetesServices

    @property
    def change(self) -> Change:
        seen = self.services.look()
        assert seen.previous is not None
        return Change("web", seen.running["web"], seen.previous["web"])

    def annotate(self) -> None:
        """Somebody writes the object and changes nothing that counts."""
        found = self.kube.objects.read("web")
        found["metadata"].setdefault("annotations", {})["seen"] = found["metadata"]["resourceVersion"]
        self.kube.objects.store(found)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    with Kube() as kube:
        for version in ("v1", "v2"):
            kube.deploy("web", f"registry/web:{version}")
            kube.settle("web")
        kube.write_config(tmp_path / "config")
        yield Stand(kube, KubernetesServices(connected(str(tmp_path / "config")), "default", ["web"]))


def test_going_back_takes_the_same_replica_set_again_and_gives_it_the_next_revision(stand: Stand) -> None:
    change = stand.change
    assert str(change.before).startswith("revision 2, web:v2")
    assert stand.services.put([change], 20).code == 0
    seen = stand.services.look()
    assert (seen.running["web"].id, seen.running["web"].tag) == (change.after.id, "revision 3, web:v1")
    assert len(stand.kube.objects.sets("default", "web")) == 2
    template = stand.kube.objects.read("web")["spec"]["template"]
    assert template["spec"]["containers"][0]["x-unknown-to-clients"] == {"kept": True}
    assert "pod-template-hash" not in template["metadata"]["labels"]


def test_a_write_in_between_is_looked_at_again(stand: Stand) -> None:
    change = stand.change
    stand.kube.before_write += [stand.annotate, stand.annotate]
    assert stand.services.put([change], 20).code == 0
    assert stand.kube.image("web") == "registry/web:v1"
    assert stand.kube.writes == ["web"], "two were refused with 409"


def test_a_deployment_in_between_is_left_alone(stand: Stand) -> None:
    change = stand.change
    stand.kube.before_write.append(lambda: stand.kube.deploy("web", "registry/web:v3"))
    with pytest.raises((Refusal, OutsideError), match="changed by somebody else"):
        stand.services.put([change], 20)
    assert stand.kube.image("web") == "registry/web:v3"


def test_a_rollout_past_its_deadline_has_failed(stand: Stand) -> None:
    change = stand.change
    stand.kube.controller.never_ready.add("registry/web:v1")
    found = stand.kube.objects.read("web")
    found["spec"]["progressDeadlineSeconds"] = 1
    stand.kube.objects.store(found)
    ended = stand.services.put([change], 30)
    assert (ended.code, "progress deadline" in ended.output) == (1, True)
    assert stand.services.put([change.back], 30).code == 0
    assert stand.kube.image("web") == "registry/web:v2"


def test_a_rollout_that_does_not_end_in_time_is_not_known(stand: Stand) -> None:
    change = stand.change
    stand.kube.controller.never_ready.add("registry/web:v1")
    assert stand.services.put([change], 1).code is None


def test_a_paused_deployment_is_refused(stand: Stand) -> None:
    change = stand.change
    found = stand.kube.objects.read("web")
    found["spec"]["paused"] = True
    stand.kube.objects.store(found)
    with pytest.raises(Refusal, match="paused"):
        stand.services.put([change], 5)


def test_a_revision_that_the_history_does_not_hold_is_refused_with_the_reason(stand: Stand) -> None:
    change = stand.change
    for version in ("v3", "v4"):
        stand.kube.deploy("web", f"registry/web:{version}", history=1)
        stand.kube.settle("web")
    stand.kube.objects.all.pop(("default", "replicasets", change.after.source), None)
    with pytest.raises(Refusal, match="revisionHistoryLimit"):
        stand.services.fetch({"web": change.after}, 5)


def test_a_configuration_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="ROLLBACK_KUBERNETES_CONFIG"):
        connected(str(tmp_path / "nothing"))
