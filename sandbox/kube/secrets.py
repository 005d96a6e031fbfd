"""Secrets of the stand-in: what the API takes and refuses (kubernetes.io, "Secrets", and the API conventions)."""

from __future__ import annotations

import base64
import binascii
import copy
import re
import secrets
from datetime import UTC, datetime
from typing import Any

from sandbox.kube.objects import Object, Objects, Refused

MOST_BYTES = 1024 * 1024
MOST_ANNOTATIONS = 256 * 1024
_SUBDOMAIN = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}")
_WORD = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


class Secrets:
    """Those of all namespaces, kept among the other objects."""

    def __init__(self, objects: Objects) -> None:
        self._objects = objects

    def read(self, namespace: str, name: str) -> Object:
        """Raises Refused."""
        with self._objects.lock:
            return copy.deepcopy(self._there(namespace, name))

    def listed(self, namespace: str) -> Object:
        """All of a namespace."""
        with self._objects.lock:
            items = [copy.deepcopy(each) for key, each in sorted(self._objects.all.items())
                     if key[:2] == (namespace, "secrets")]  # fmt: skip
            version = str(self._objects.version)
        return {"apiVersion": "v1", "kind": "SecretList", "metadata": {"resourceVersion": version}, "items": items}

    def created(self, namespace: str, body: Object) -> Object:
        """POST. Raises Refused."""
        new = _shaped(namespace, body)
        if new["metadata"].get("resourceVersion"):
            raise Refused(400, "resourceVersion should not be set on objects to be created")
        name = new["metadata"].get("name") or ""
        with self._objects.lock:
            _validated(new, None)
            if (namespace, "secrets", name) in self._objects.all:
                raise Refused(409, f'secrets "{name}" already exists', "AlreadyExists")
            new["metadata"] |= {"uid": _uid(), "creationTimestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}
            return self._put(namespace, name, new)

    def replaced(self, namespace: str, name: str, body: Object) -> Object:
        """PUT. Without a resourceVersion it is unconditional, as the real one's is for secrets. Raises Refused."""
        new = _shaped(namespace, body)
        if new["metadata"].get("name") != name:
            raise Refused(400, "the name of the object does not match the name on the URL")
        with self._objects.lock:
            old = self._there(namespace, name)
            given, now = new["metadata"], old["metadata"]
            stale = given.get("resourceVersion") not in {None, "", now["resourceVersion"]}
            if stale or given.get("uid", now["uid"]) != now["uid"]:
                raise Refused(
                    409,
                    f'Operation cannot be fulfilled on secrets "{name}": the object has been modified; please apply '
                    "your changes to the latest version and try again",
                )
            new["metadata"] |= {each: now[each] for each in ("uid", "creationTimestamp", "resourceVersion")}
            _validated(new, old)
            return copy.deepcopy(old) if new == old else self._put(namespace, name, new)

    def deleted(self, namespace: str, name: str, options: Any) -> Object:
        """DELETE. Raises Refused."""
        with self._objects.lock:
            found = self._there(namespace, name)["metadata"]
            wanted = (options or {}).get("preconditions") or {}
            for each in ("uid", "resourceVersion"):
                if wanted.get(each) not in {None, found[each]}:
                    raise Refused(409, f"Precondition failed: {each} in precondition: {wanted[each]}")
            del self._objects.all[namespace, "secrets", name]
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
                "details": {"name": name, "kind": "secrets", "uid": found["uid"]}}  # fmt: skip

    def _there(self, namespace: str, name: str) -> Object:
        found = self._objects.all.get((namespace, "secrets", name))
        if found is None:
            raise Refused(404, f'secrets "{name}" not found')
        return found

    def _put(self, namespace: str, name: str, new: Object) -> Object:
        self._objects.version += 1
        new["metadata"]["resourceVersion"] = str(self._objects.version)
        self._objects.all[namespace, "secrets", name] = new
        return copy.deepcopy(new)


def references(template: Object) -> set[tuple[str, str]]:
    """Which secrets a pod template needs before it starts: name and key; an empty key: all of it."""
    spec, found = template["spec"], set()
    for volume in spec.get("volumes") or ():
        if "secret" in volume:
            keys = [each["key"] for each in volume["secret"].get("items") or ()]
            found |= {(volume["secret"]["secretName"], key) for key in keys or [""]}
        for source in (volume.get("projected") or {}).get("sources") or ():
            if "secret" in source:
                found.add((source["secret"]["name"], ""))
    for container in (*(spec.get("initContainers") or ()), *spec["containers"]):
        for variable in container.get("env") or ():
            chosen = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if chosen:
                found.add((chosen["name"], chosen["key"]))
        found |= {(each["secretRef"]["name"], "") for each in container.get("envFrom") or () if "secretRef" in each}
    return found


def _uid() -> str:
    text = secrets.token_hex(16)
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _shaped(namespace: str, body: Any) -> Object:
    """A copy with everything the API fills in. Raises Refused."""
    if not isinstance(body, dict) or body.get("kind", "Secret") != "Secret" or body.get("apiVersion", "v1") != "v1":
        raise Refused(400, "the object provided is unrecognized")
    new: Object = copy.deepcopy(body)
    metadata = new.setdefault("metadata", {})
    if metadata.setdefault("namespace", namespace) != namespace:
        raise Refused(400, "the namespace of the provided object does not match the namespace sent on the request")
    for each in ("labels", "annotations"):
        values = metadata.get(each) or {}
        if not isinstance(values, dict) or not all(isinstance(value, str) for value in values.values()):
            raise Refused(400, f"cannot unmarshal into Go struct field ObjectMeta.{each} of type string")
    data = new.get("data") or {}
    data |= {key: base64.b64encode(text.encode()).decode() for key, text in (new.pop("stringData", None) or {}).items()}
    for text in data.values():
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise Refused(400, "illegal base64 data at input byte 0") from error
    return {**new, "apiVersion": "v1", "kind": "Secret", "data": data, "type": new.get("type") or "Opaque"}


def _validated(new: Object, old: Object | None) -> None:
    """Raises Refused (422) for what the API calls invalid."""
    metadata = new["metadata"]
    name = metadata.get("name") or ""

    def invalid(what: str) -> Refused:
        return Refused(422, f'Secret "{name}" is invalid: {what}')

    if len(name) > 253 or not _SUBDOMAIN.fullmatch(name):
        raise invalid("metadata.name: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                      "characters, '-' or '.', and must start and end with an alphanumeric character")  # fmt: skip
    for each in (*(metadata.get("labels") or {}), *(metadata.get("annotations") or {})):
        prefix, slash, word = each.rpartition("/")
        if len(word) > 63 or not _WORD.fullmatch(word) or (slash and not _SUBDOMAIN.fullmatch(prefix)):
            raise invalid(f"metadata: name part of {each!r} must consist of alphanumeric characters")
    for value in (metadata.get("labels") or {}).values():
        if value and (len(value) > 63 or not _WORD.fullmatch(value)):
            raise invalid("metadata.labels: a valid label must be 63 characters or less")
    if sum(len(key) + len(text) for key, text in (metadata.get("annotations") or {}).items()) > MOST_ANNOTATIONS:
        raise invalid("metadata.annotations: Too long: must have at most 262144 bytes")
    if any(not _DATA_KEY.fullmatch(key) or key in {".", ".."} for key in new["data"]):
        raise invalid("data: a valid config key must consist of alphanumeric characters, '-', '_' or '.'")
    if sum(len(base64.b64decode(text)) for text in new["data"].values()) > MOST_BYTES:
        raise invalid("data: Too long: must have at most 1048576 bytes")
    if old is None:
        return
    if new["type"] != old["type"]:
        raise invalid("type: Invalid value: field is immutable")
    if old.get("immutable") and (new["data"] != old["data"] or not new.get("immutable")):
        raise invalid("data: Forbidden: field is immutable when `immutable` is set")
