"""The Services port over Kubernetes: configured Deployments and their ReplicaSets, by the official client library.

- A version is the pod template of one ReplicaSet, named by its `pod-template-hash`: the same template is the same
  ReplicaSet again, whatever revision it gets. The one before has the next lower `deployment.kubernetes.io/revision`.
- Told as `kubectl rollout undo` does, by a JSON patch of the template; the patch names the resourceVersion that was
  looked at. A 409 is looked at again: only a Deployment that still runs what it ran is told.
- Waits as `kubectl rollout status` does (rollouts.py).
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from kubernetes import client

from bot.adapters.kubernetes.asking import Conflict, Gone, Object, asked
from bot.adapters.kubernetes.rollouts import Stand, stand
from handlers.core.runbooks.deployments import Change, Seen, Version
from handlers.core.runbooks.probes import Finished
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
POLL_SECONDS = 0.5
ROUNDS = 8


class KubernetesServices:
    """See the module."""

    takes_back = True

    def __init__(self, connection: client.ApiClient, namespace: str, names: Sequence[str]) -> None:
        self._api = client.AppsV1Api(connection)
        self._namespace = namespace
        self._names = tuple(names)

    def look(self) -> Seen:
        """See the port."""
        running, previous = {}, {}
        for name in self._names:
            deployment = self._deployment(name)
            sets = self._sets(deployment)
            now = _of_template(sets, deployment)
            if now is None:
                raise OutsideError(Text("{name} is being rolled out just now.", name=Code(name)))
            running[name] = _version(now)
            others = [each for each in sets if _revision(each) < _revision(now)]
            if others:
                previous[name] = _version(max(others, key=_revision))
        return Seen(running, previous)

    def fetch(self, versions: Mapping[str, Version], seconds: float) -> None:
        """See the port: its ReplicaSet is still there."""
        for name, version in versions.items():
            self._named(self._sets(self._deployment(name)), name, version)

    def put(self, changes: Sequence[Change], seconds: float, beat: Iterable[None] = ()) -> Finished:
        """See the port."""
        until, beats = time.monotonic() + seconds, iter(beat)
        for each in changes:
            self._template_to_put(each)
        for each in changes:
            next(beats, None)
            self._told(each)
        for each in changes:
            ended = self._rolled(each.service, until, beats)
            if ended.code != 0:
                return ended
        return Finished(0, "\n".join(f"{each.service} runs {each.after}" for each in changes))

    def _told(self, change: Change) -> None:
        for _ in range(ROUNDS):
            found = self._template_to_put(change)
            if found is None:
                return
            version, template = found
            patch = [
                {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
                {"op": "replace", "path": "/spec/template", "value": template},
            ]
            try:
                self._asked(self._api.patch_namespaced_deployment, change.service, body=patch)
                return
            except Conflict:
                continue  # somebody wrote it meanwhile, if only its status: looked at again
        raise OutsideError(Text("{name} was written by others each time I tried.", name=Code(change.service)))

    def _template_to_put(self, change: Change) -> tuple[str, Object] | None:
        """The resourceVersion that was looked at and the template to put; None when it is there already. Raises
        Refusal."""
        deployment = self._deployment(change.service)
        sets = self._sets(deployment)
        wanted = self._named(sets, change.service, change.after)
        if _bare(wanted["spec"]["template"]) == _bare(deployment["spec"]["template"]):
            return None
        now = _of_template(sets, deployment)
        if now is None or _hash(now) != change.before.id:
            raise Refusal(Text("{service} was changed by somebody else meanwhile. It was left alone.",
                               service=Code(change.service)))  # fmt: skip
        if deployment["spec"].get("paused"):
            raise Refusal(Text("{service} is paused, so it cannot be rolled back: resume it first.",
                               service=Code(change.service)))  # fmt: skip
        return str(deployment["metadata"]["resourceVersion"]), _bare(wanted["spec"]["template"])

    def _rolled(self, name: str, until: float, beats: Iterator[None]) -> Finished:
        while True:
            next(beats, None)
            deployment = self._deployment(name)
            match stand(deployment):
                case Stand.DONE:
                    return Finished(0, "")
                case Stand.LATE:
                    return Finished(1, f"{name} did not become available before its progress deadline")
                case Stand.GOING:
                    pass
            if time.monotonic() >= until:
                return Finished(None, f"{name} had not rolled out")
            time.sleep(POLL_SECONDS)

    def _named(self, sets: Sequence[Object], name: str, version: Version) -> Object:
        for each in sets:
            if _hash(each) == version.id:
                return each
        raise Refusal(Text("Kubernetes no longer has the revision of {service} that ran {version}: its history "
                           "(revisionHistoryLimit) is too short. Nothing was changed.", service=Code(name),
                           version=Code(str(version))))  # fmt: skip

    def _deployment(self, name: str) -> Object:
        return self._asked(self._api.read_namespaced_deployment, name)

    def _sets(self, deployment: Object) -> list[Object]:
        """The ReplicaSets that this Deployment owns."""
        labels = (deployment["spec"]["selector"].get("matchLabels") or {}).items()
        selector = ",".join(f"{key}={value}" for key, value in sorted(labels))
        found = self._asked(self._api.list_namespaced_replica_set, None, label_selector=selector)
        uid = deployment["metadata"]["uid"]
        return [
            each
            for each in found["items"]
            if any(owner.get("uid") == uid for owner in each["metadata"].get("ownerReferences") or ())
        ]

    def _asked(self, call: Callable[..., Any], name: str | None, **more: Any) -> Object:
        try:
            return asked(call, *((self._namespace,) if name is None else (name, self._namespace)), **more)
        except Gone as error:
            raise OutsideError(Text("Kubernetes has no Deployment {name} in {namespace}.", name=Code(name or ""),
                                    namespace=Code(self._namespace)), permanent=True) from error  # fmt: skip


def _of_template(sets: Sequence[Object], deployment: Object) -> Object | None:
    """The ReplicaSet that has this template, as the controller finds it."""
    wanted = _bare(deployment["spec"]["template"])
    return next((each for each in sets if _bare(each["spec"]["template"]) == wanted), None)


def _bare(template: Object) -> Object:
    """Without the label that the controller adds."""
    bare = copy.deepcopy(template)
    (bare.get("metadata", {}).get("labels") or {}).pop(HASH, None)
    return bare


def _version(found: Object) -> Version:
    images = [str(each["image"]).rpartition("/")[2] for each in found["spec"]["template"]["spec"]["containers"]]
    return Version(_hash(found), f"revision {_revision(found)}, {' '.join(images)}", str(found["metadata"]["name"]))


def _hash(found: Object) -> str:
    return str((found["metadata"].get("labels") or {}).get(HASH) or found["metadata"]["name"])


def _revision(found: Object) -> int:
    return int((found["metadata"].get("annotations") or {}).get(REVISION, 0))
