"""Deployments that use a secret: each is pointed at the Secret of the current version, and its roll-out waited for.

- Every reference in the pod template to the secret of the place, or to a version of it, becomes the current one:
  volumes, projected volumes, `env` and `envFrom`. So each roll-out is one of the pods themselves, and an environment
  variable or a `subPath`, which never change in a running container, changes too.
- Told by a JSON patch of the template that names the resourceVersion that was looked at. A Deployment that is pointed
  there already is only waited for.
- Going back is the same: the former template is the same ReplicaSet again.
"""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from kubernetes import client

from bot.adapters.kubernetes.asking import Conflict, Object, asked
from bot.adapters.kubernetes.rollouts import Stand, stand
from handlers.core.ports import CommandResult
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

POLL_SECONDS = 0.5
ROUNDS = 8


class KubernetesRollOut:
    """What bot.adapters.consumer calls a program: the roll-out of the Deployments of one consumer. `serving`: the name
    of the Secret they must use now; `base`: the place's own."""

    def __init__(
        self,
        connection: client.ApiClient,
        namespace: str,
        names: Sequence[str],
        base: str,
        serving: Callable[[], str],
        seconds: float,
    ) -> None:
        self._api = client.AppsV1Api(connection)
        self._namespace, self._names = namespace, tuple(names)
        self._base, self._serving, self._seconds = base, serving, seconds

    @property
    def line(self) -> str:
        """For people."""
        return f"the roll-out of {', '.join(self._names)} in {self._namespace}"

    def run(self, beat: Iterable[None] = (), *, given: bytes = b"") -> CommandResult:
        """Points all of them, then waits for all. Raises OutsideError."""
        until, beats, secret = time.monotonic() + self._seconds, iter(beat), self._serving()
        for name in self._names:
            next(beats, None)
            self._pointed(name, secret)
        for name in self._names:
            self._rolled(name, until, beats)
        return CommandResult(0, "")

    def _pointed(self, name: str, secret: str) -> None:
        for _ in range(ROUNDS):
            deployment = self._deployment(name)
            template = copy.deepcopy(deployment["spec"]["template"])
            if not pointed(template, self._base, secret):
                text = Text("{name} uses no secret {secret}.", name=Code(name), secret=Code(self._base))
                raise OutsideError(text, permanent=True)
            if template == deployment["spec"]["template"]:
                return
            if deployment["spec"].get("paused"):
                text = Text("{name} is paused, so it cannot be rolled out: resume it first.", name=Code(name))
                raise OutsideError(text, permanent=True)
            patch = [
                {
                    "op": "replace",
                    "path": "/metadata/resourceVersion",
                    "value": deployment["metadata"]["resourceVersion"],
                },
                {"op": "replace", "path": "/spec/template", "value": template},
            ]
            try:
                asked(self._api.patch_namespaced_deployment, name, self._namespace, body=patch)
                return
            except Conflict:
                continue  # somebody wrote it meanwhile, if only its status: looked at again
        raise OutsideError(Text("{name} was written by others each time I tried.", name=Code(name)))

    def _rolled(self, name: str, until: float, beats: Iterator[None]) -> None:
        while True:
            next(beats, None)
            found = stand(self._deployment(name))
            if found is Stand.DONE:
                return
            if found is Stand.LATE:
                text = Text("{name} did not become available before its progress deadline.", name=Code(name))
                raise OutsideError(text, permanent=True)
            if time.monotonic() >= until:
                raise OutsideError(Text("{name} had not rolled out in time.", name=Code(name)), permanent=True)
            time.sleep(POLL_SECONDS)

    def _deployment(self, name: str) -> Object:
        return asked(self._api.read_namespaced_deployment, name, self._namespace)


def pointed(template: Object, base: str, secret: str) -> int:
    """Points every reference to the secret, or to a version of it, at this one; how many there are."""
    ours = re.compile(re.escape(base) + r"(-[0-9a-f]{16})?")
    count = 0
    for holder, key in _references(template["spec"]):
        if ours.fullmatch(str(holder.get(key) or "")):
            holder[key] = secret
            count += 1
    return count


def _references(spec: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Where names of secrets stand in a pod's specification."""
    for volume in spec.get("volumes") or ():
        if volume.get("secret"):
            yield volume["secret"], "secretName"
        for source in (volume.get("projected") or {}).get("sources") or ():
            if source.get("secret"):
                yield source["secret"], "name"
    for container in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ())):
        for variable in container.get("env") or ():
            chosen = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if chosen:
                yield chosen, "name"
        for source in container.get("envFrom") or ():
            if source.get("secretRef"):
                yield source["secretRef"], "name"
