"""As much of kustomize as deploy/kubernetes uses, so that its overlays are judged as they would be applied.

- Resources and components in their order, then namespace, labels, images, replicas, patches (strategic merge, in which
  maps are merged and lists replaced: nothing here patches a list that kustomize would merge).
- What is not known here is refused, so that a new field of kustomize is not silently left out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

Resource = dict[str, Any]
KNOWN = {
    "apiVersion", "kind", "namespace", "labels", "resources", "components", "images", "replicas", "patches"
}  # fmt: skip


class NotBuilt(Exception):
    """The kustomization is wrong, or uses what is not known here."""


def build(folder: Path) -> list[Resource]:
    """Every resource of an overlay. Raises NotBuilt."""
    return _built(folder, [])


def _built(folder: Path, found: list[Resource]) -> list[Resource]:
    given = yaml.safe_load((folder / "kustomization.yaml").read_text())
    if unknown := given.keys() - KNOWN:
        raise NotBuilt(f"{folder.name}: {sorted(unknown)}")
    for name in given.get("resources", []):
        place = folder / name
        found += build(place) if place.is_dir() else _documents(place)
    for name in given.get("components", []):
        if yaml.safe_load((folder / name / "kustomization.yaml").read_text())["kind"] != "Component":
            raise NotBuilt(f"{name} is no component")
        _built(folder / name, found)
    for each in found:
        if "namespace" in given and each["kind"] != "Namespace":
            each["metadata"]["namespace"] = given["namespace"]
        for labels in given.get("labels", []):
            each["metadata"].setdefault("labels", {}).update(labels["pairs"])
    for image in given.get("images", []):
        _named(found, image)
    for wanted in given.get("replicas", []):
        _one(found, "Deployment", wanted["name"])["spec"]["replicas"] = wanted["count"]
    for patch in given.get("patches", []):
        target = _one(found, patch["target"]["kind"], patch["target"]["name"])
        _merge(target, yaml.safe_load(patch["patch"]))
    return found


def _documents(place: Path) -> list[Resource]:
    if not place.is_file():
        raise NotBuilt(f"{place.name} is listed and not there")
    return list(yaml.safe_load_all(place.read_text()))


def _one(found: list[Resource], kind: str, name: str) -> Resource:
    matching = [each for each in found if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    if len(matching) != 1:
        raise NotBuilt(f"{len(matching)} of {kind} {name}")
    return matching[0]


def _named(found: list[Resource], image: dict[str, str]) -> None:
    for each in found:
        if each["kind"] == "Deployment":
            for container in each["spec"]["template"]["spec"]["containers"]:
                if container["image"] == image["name"]:
                    container["image"] = f"{image['newName']}:{image['newTag']}"


def _merge(target: Any, patch: dict[str, Any]) -> None:
    for name, value in patch.items():
        if isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        else:
            target[name] = value
