"""The deployment controller of the stand-in: ReplicaSets, revisions, rolling, status."""

from __future__ import annotations

import copy
import hashlib
import json
import time

from sandbox.kube.objects import HASH, REVISION, Object, Objects, same
from sandbox.kube.secrets import references


class Controller:
    """See the package. An image in `never_ready` does not become available."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self.never_ready: set[str] = set()

    def round(self) -> None:
        """One look at every Deployment."""
        with self._objects.lock:
            for key in [each for each in self._objects.all if each[1] == "deployments"]:
                self._reconcile(self._objects.all[key])

    def _reconcile(self, deployment: Object) -> None:
        metadata, spec = deployment["metadata"], deployment["spec"]
        sets = self._objects.sets(metadata["namespace"], metadata["name"])
        new = next((each for each in sets if same(each["spec"]["template"], spec["template"])), None)
        newest = max((int(each["metadata"]["annotations"][REVISION]) for each in sets), default=0)
        if new is None:
            new = self._make(deployment, newest + 1)
        elif int(new["metadata"]["annotations"][REVISION]) < newest:
            new = self._annotated(new, newest + 1)
        revision = new["metadata"]["annotations"][REVISION]
        if metadata.get("annotations", {}).get(REVISION) != revision:
            deployment = self._annotated(deployment, int(revision))
        old = [each for each in sets if each["metadata"]["name"] != new["metadata"]["name"]]
        moved = self._scaled(new, old, spec["replicas"])
        self._trim(old, spec["revisionHistoryLimit"])
        self._status(deployment, moved)

    def _make(self, deployment: Object, revision: int) -> Object:
        template = copy.deepcopy(deployment["spec"]["template"])
        name = deployment["metadata"]["name"]
        digest = hashlib.sha256(json.dumps(template, sort_keys=True).encode()).hexdigest()[:10]
        template["metadata"].setdefault("labels", {})[HASH] = digest
        labels = template["metadata"]["labels"]
        owner = {"kind": "Deployment", "name": name, "uid": deployment["metadata"]["uid"], "controller": True}
        metadata = {
            "name": f"{name}-{digest}",
            "namespace": deployment["metadata"]["namespace"],
            "labels": dict(labels),
            "annotations": {REVISION: str(revision)},
            "ownerReferences": [owner],
            "generation": 0,
        }
        made = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata,
                "spec": {"replicas": 0, "selector": {"matchLabels": dict(labels)}, "template": template},
                "status": {"replicas": 0, "availableReplicas": 0}}  # fmt: skip
        return self._objects.store(made)

    def _annotated(self, found: Object, revision: int) -> Object:
        changed = copy.deepcopy(found)
        changed["metadata"].setdefault("annotations", {})[REVISION] = str(revision)
        return self._objects.store(changed)

    def _scaled(self, new: Object, old: list[Object], wanted: int) -> bool:
        """One step of the roll; whether anything moved."""
        ready = new["spec"]["template"]["spec"]["containers"][0]["image"] not in self.never_ready
        ready = ready and self._has_secrets(new)
        have, available = new["spec"]["replicas"], new["status"].get("availableReplicas", 0)
        if ready and available < have:
            return self._set(new, have, have)
        others = sum(each["spec"]["replicas"] for each in old)
        if have < wanted and have + others <= wanted:
            return self._set(new, have + 1, available)
        if have > wanted:
            return self._set(new, wanted, min(available, wanted))
        for each in old:
            count = each["spec"]["replicas"]
            unready = count > each["status"].get("availableReplicas", 0)
            if count and (unready or available + others > wanted):
                return self._set(each, count - 1, min(count - 1, each["status"].get("availableReplicas", 0)))
        return False

    def _has_secrets(self, found: Object) -> bool:
        """Whether its pods can start: a kubelet waits for every secret that a container or a volume names."""
        namespace = found["metadata"]["namespace"]
        for name, key in references(found["spec"]["template"]):
            there = self._objects.all.get((namespace, "secrets", name))
            if there is None or (key and key not in there["data"]):
                return False
        return True

    def _set(self, found: Object, replicas: int, available: int) -> bool:
        changed = copy.deepcopy(found)
        changed["spec"]["replicas"] = replicas
        changed["status"] = {"replicas": replicas, "availableReplicas": available}
        self._objects.store(changed)
        return True

    def _trim(self, old: list[Object], limit: int) -> None:
        idle = sorted((each for each in old if not each["spec"]["replicas"]),
                      key=lambda each: int(each["metadata"]["annotations"][REVISION]))  # fmt: skip
        for each in idle[: max(0, len(idle) - limit)]:
            del self._objects.all[each["metadata"]["namespace"], "replicasets", each["metadata"]["name"]]

    def _status(self, deployment: Object, moved: bool) -> None:
        metadata, spec, before = deployment["metadata"], deployment["spec"], deployment["status"]
        sets = self._objects.sets(metadata["namespace"], metadata["name"])
        new = next(each for each in sets if same(each["spec"]["template"], spec["template"]))
        available = sum(each["status"].get("availableReplicas", 0) for each in sets)
        complete = new["status"].get("availableReplicas", 0) == spec["replicas"] == available
        now = time.time()
        restarted = moved or before.get("observedGeneration") != metadata["generation"]
        progressed = now if restarted or complete else before.get("x-progressed", now)
        late = now - progressed > spec["progressDeadlineSeconds"]
        reason = "NewReplicaSetAvailable" if complete else "ProgressDeadlineExceeded" if late else "ReplicaSetUpdated"
        condition = {"type": "Progressing", "status": "False" if late else "True", "reason": reason}
        status = {
            "observedGeneration": metadata["generation"],
            "replicas": sum(each["spec"]["replicas"] for each in sets),
            "updatedReplicas": new["spec"]["replicas"],
            "availableReplicas": available,
            "readyReplicas": available,
            "unavailableReplicas": max(0, spec["replicas"] - available),
            "conditions": [condition],
        }
        if {**status, "x-progressed": 0} != {**before, "x-progressed": 0}:
            self._objects.store({**deployment, "status": {**status, "x-progressed": progressed}}, status=True)
