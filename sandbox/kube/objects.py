"""The objects of the stand-in, and how they are written: resourceVersion, generation, patches, 409 and 422."""

from __future__ import annotations

import copy
import threading
from typing import Any

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"

Object = dict[str, Any]


class Refused(Exception):
    """A Status with this code. `reason`: when it is not the usual one of the code."""

    def __init__(self, code: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.code, self.reason = code, reason


class Objects:
    """All of them, by namespace, kind and name."""

    def __init__(self) -> None:
        self.all: dict[tuple[str, str, str], Object] = {}
        self.version = 100
        self.lock = threading.RLock()

    def read(self, name: str, kind: str = "deployments", namespace: str = "default") -> Object:
        """A copy of an object. Raises Refused."""
        with self.lock:
            found = self.all.get((namespace, kind, name))
            if found is None:
                raise Refused(404, f'{kind}.apps "{name}" not found')
            return copy.deepcopy(found)

    def store(self, new: Object, *, status: bool = False) -> Object:
        """Writes an object as the API does: generation, resourceVersion; 409 for an old resourceVersion."""
        metadata = new["metadata"]
        kind = "deployments" if new["kind"] == "Deployment" else "replicasets"
        key = (metadata["namespace"], kind, metadata["name"])
        with self.lock:
            old = self.all.get(key)
            given = metadata.get("resourceVersion")
            if old is not None and given is not None and given != old["metadata"]["resourceVersion"]:
                raise Refused(
                    409,
                    f'Operation cannot be fulfilled on {kind}.apps "{metadata["name"]}": the object has been modified; '
                    "please apply your changes to the latest version and try again",
                )
            stored = copy.deepcopy(new)
            self.version += 1
            stored["metadata"]["resourceVersion"] = str(self.version)
            if not status and (old is None or old["spec"] != stored["spec"]):
                stored["metadata"]["generation"] = (old or stored)["metadata"].get("generation", 0) + 1
            self.all[key] = stored
            return copy.deepcopy(stored)

    def listed(self, namespace: str, kind: str, selector: str) -> Object:
        """A list, as the API gives it."""
        wanted = dict(each.split("=", 1) for each in selector.replace("==", "=").split(",") if each)
        with self.lock:
            items = [
                copy.deepcopy(each)
                for (space, what, _), each in sorted(self.all.items())
                if (space, what) == (namespace, kind)
                and wanted.items() <= (each["metadata"].get("labels") or {}).items()
            ]
        named = {"deployments": "DeploymentList", "replicasets": "ReplicaSetList"}[kind]
        return {"apiVersion": "apps/v1", "kind": named, "metadata": {"resourceVersion": str(self.version)},
                "items": items}  # fmt: skip

    def sets(self, namespace: str, name: str) -> list[Object]:
        """The ReplicaSets of a Deployment."""
        with self.lock:
            return [
                each
                for (space, kind, _), each in sorted(self.all.items())
                if (space, kind) == (namespace, "replicasets")
                and each["metadata"]["ownerReferences"][0]["name"] == name
            ]


def same(one: Object, other: Object) -> bool:
    """Whether two templates are the same, as the controller compares them."""
    return _bare(one) == _bare(other)


def _bare(template: Object) -> Object:
    bare = copy.deepcopy(template)
    bare.get("metadata", {}).get("labels", {}).pop(HASH, None)
    return bare


def patched(now: Object, kind: str, body: Any) -> Object:
    """The object after a patch of that content type. Raises Refused."""
    match kind.partition(";")[0]:
        case "application/json-patch+json":
            for each in body:
                _operate(now, each)
            return now
        case "application/merge-patch+json":
            merged: Object = _merged(now, body)
            return merged
        case other:
            raise Refused(415, f"the body of the request was in an unknown format: {other}")


def _merged(now: Any, patch: Any) -> Any:
    if not isinstance(patch, dict) or not isinstance(now, dict):
        return patch
    merged = {key: value for key, value in now.items() if key not in patch or patch[key] is not None}
    return merged | {key: _merged(now.get(key), value) for key, value in patch.items() if value is not None}


def _operate(now: Object, operation: Object) -> None:
    *parents, last = [each.replace("~1", "/").replace("~0", "~") for each in operation["path"].split("/")[1:]]
    try:
        place = now
        for each in parents:
            place = place[each]
        if operation["op"] == "test" and place[last] != operation["value"]:
            raise Refused(422, "the server rejected our request due to an error in our request")
        if operation["op"] == "replace" and last not in place:
            raise KeyError(last)
        if operation["op"] in {"replace", "add"}:
            place[last] = operation["value"]
        elif operation["op"] == "remove":
            del place[last]
    except (KeyError, TypeError) as error:
        raise Refused(422, f"jsonpatch: {operation['path']} does not exist") from error
