"""The Services port over Docker Compose, or what speaks like it (podman-compose): the engine's own commands.

- The version of a service is the id of the image its container was made of; its source is the name with the digest by
  which a registry has it, when the engine knows one.
- Told by `compose up` with the team's files and one more, which names nothing but these images: it lies in a private
  temporary folder while the command runs. The team's files are never written; other services are left alone.
- What goes back is the image. What else the files say (variables, volumes) is as it is in them now.
- Nothing is built, and nothing secret is an argument.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handlers.core.runbooks.deployments import Change, Seen, Version
from handlers.core.runbooks.probes import Finished, Program
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

LOOK_SECONDS = 20.0
_SHA = "sha256:"
_INHERITED = ("PATH", "HOME", "LANG")


@dataclass(frozen=True, slots=True)
class Project:
    """One Compose project: its files as given to `-f`, the services that go back, and how both commands are called."""

    name: str
    files: tuple[str, ...]
    services: tuple[str, ...]
    compose: tuple[str, ...] = ("docker", "compose")
    engine: tuple[str, ...] = ("docker",)


class ComposeServices:
    """See the module."""

    takes_back = True

    def __init__(self, project: Project, program: Program, passed_on: Iterable[str] = ()) -> None:
        """`passed_on`: names of the environment that say where the engine is."""
        self._project = project
        self._program = program
        self._passed_on = tuple(passed_on)

    def look(self) -> Seen:
        """See the port."""
        found: dict[str, set[str]] = {}
        names: dict[str, str] = {}
        for container in self._containers():
            labels = container["Config"].get("Labels") or {}
            service, image = str(labels.get("com.docker.compose.service", "")), _full(container["Image"])
            if service in self._project.services:
                found.setdefault(service, set()).add(image)
                names[image] = str(container.get("ImageName") or container["Config"].get("Image") or "")
        for service, images in found.items():
            if len(images) > 1:
                raise OutsideError(Text("{service} runs in several versions at once just now.", service=Code(service)))
        return Seen({each: self._version(min(found[each]), names) for each in self._project.services if each in found})

    def fetch(self, versions: Mapping[str, Version], seconds: float) -> None:
        """See the port: what is not here is pulled by its digest."""
        for service, version in versions.items():
            if self._here(version) is not None:
                continue
            pulled = None
            if version.source:
                pulled = self._program.run((*self._project.engine, "pull", "--quiet", version.source), seconds)
            if self._here(version) is None:
                why = (pulled.output.strip()[-300:] if pulled else "") or "no registry is known that has it"
                raise Refusal(Text("The image of {service} that was well, {version}, is not on this machine and could "
                                   "not be pulled: {why}. Nothing was changed.", service=Code(service),
                                   version=Code(str(version)), why=why))  # fmt: skip

    def put(self, changes: Sequence[Change], seconds: float, beat: Iterable[None] = ()) -> Finished:
        """See the port."""
        if not changes:
            return Finished(0, "")
        running = self._untouched(changes)
        wanted: dict[str, dict[str, str]] = {}
        for each in changes:
            if (reference := self._here(each.after)) is None:
                raise Refusal(Text("The image {version} of {service} is not on this machine.",
                                   version=Code(str(each.after)), service=Code(each.service)))  # fmt: skip
            if running.get(each.service) != each.after.id or not self._up(each.service):
                wanted[each.service] = {"image": reference}
        if not wanted:
            return Finished(0, "Everything runs as it should already.")
        with tempfile.TemporaryDirectory(prefix="rollback-") as folder:
            override = Path(folder) / "images.json"  # JSON is YAML
            override.touch(mode=0o600)
            override.write_text(json.dumps({"services": wanted}))
            files = [word for file in (*self._project.files, str(override)) for word in ("-f", file)]
            up = ("up", "-d", "--no-deps", "--no-build", *wanted)
            ended = self._program.run((*self._project.compose, "-p", self._project.name, *files, *up), seconds, beat)
        if ended.code == 0 and (wrong := self._not_there(changes)):
            return Finished(1, f"{ended.output}\n{wrong} does not run what it was told.".strip())
        return ended

    def _untouched(self, changes: Sequence[Change]) -> dict[str, str]:
        """What each runs. Raises Refusal when one runs neither what it ran nor what it should."""
        images: dict[str, set[str]] = {}
        for container in self._containers():
            labels = container["Config"].get("Labels") or {}
            images.setdefault(labels.get("com.docker.compose.service", ""), set()).add(_full(container["Image"]))
        for each in changes:
            if images.get(each.service, set()) - {each.before.id, each.after.id}:
                raise Refusal(Text("{service} was changed by somebody else meanwhile. It was left alone.",
                                   service=Code(each.service)))  # fmt: skip
        return {service: next(iter(found)) for service, found in images.items() if len(found) == 1}

    def _up(self, service: str) -> bool:
        states = [
            container["State"].get("Status")
            for container in self._containers()
            if (container["Config"].get("Labels") or {}).get("com.docker.compose.service") == service
        ]
        return bool(states) and all(state == "running" for state in states)

    def _not_there(self, changes: Sequence[Change]) -> str:
        running = self._untouched(changes)
        return next((each.service for each in changes if running.get(each.service) != each.after.id), "")

    def _containers(self) -> list[dict[str, Any]]:
        """Every container of the project, up or not."""
        label = f"label=com.docker.compose.project={self._project.name}"
        ids = self._said("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split()
        if not ids:
            return []
        found: list[dict[str, Any]] = json.loads(self._said("container", "inspect", *ids))
        return found

    def _version(self, image: str, names: Mapping[str, str]) -> Version:
        found = self._image(image)
        if found is None:
            return Version(image, names[image])
        tags, digests = found.get("RepoTags") or [], found.get("RepoDigests") or []
        # An image may have several names: the one by which it runs says most.
        own = names[image].partition("@")[0]
        tag = str(own if own in tags or not tags else tags[0])
        return Version(image, tag if not tag.startswith(_SHA) else "", str(digests[0] if digests else ""))

    def _here(self, version: Version) -> str | None:
        """How the engine is told exactly this image; None when it is not on this machine."""
        for reference in filter(None, (version.source, version.id)):
            found = self._image(reference)
            if found is not None and _full(found["Id"]) == version.id:
                return reference
        return None

    def _image(self, reference: str) -> dict[str, Any] | None:
        code, said, _ = self._asked("image", "inspect", reference)
        found = json.loads(said) if code == 0 else []
        return found[0] if found else None

    def _said(self, *words: str) -> str:
        code, said, why = self._asked(*words)
        if code != 0:
            raise OutsideError(Text("The container engine does not answer: {why}", why=why.strip()[-300:] or "nothing"))
        return said

    def _asked(self, *words: str) -> tuple[int, str, str]:
        """The whole answer of the engine, which a Program does not keep."""
        seen = {name: os.environ[name] for name in (*_INHERITED, *self._passed_on) if name in os.environ}
        try:
            answer = subprocess.run(
                [*self._project.engine, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=LOOK_SECONDS,
                env=seen,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise OutsideError(Text("The container engine did not answer in time.")) from error
        except OSError as error:
            raise OutsideError(
                Text("{program} cannot be started.", program=Code(self._project.engine[0])), permanent=True
            ) from error
        return answer.returncode, answer.stdout, answer.stderr


def _full(image: str) -> str:
    """Podman leaves the algorithm out."""
    return image if image.startswith(_SHA) else _SHA + image
