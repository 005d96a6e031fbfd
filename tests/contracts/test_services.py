"""Everything that services can be told through keeps the contract of handlers.core.runbooks.deployments.Services.

Another one joins by one name in STANDS and a case in `stand`. Real containers (of podman with podman-compose, and of
Docker with its own Compose) and the stand-in of Kubernetes are behind theirs; the pair of commands is a pair of scripts
over two files.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.adapters.command import LocalProgram
from bot.adapters.compose import ComposeServices, Project
from bot.adapters.kubernetes.asking import connected
from bot.adapters.kubernetes.services import KubernetesServices
from handlers.core.runbooks.command_pairs import CommandPair
from handlers.core.runbooks.deployments import Change, Services, Version
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.kube.server import Kube
from sandbox.servers.containers import Containers
from tests.fake_probes import FakeServices, v

STANDS = ("fake", "podman", "docker", "kubernetes", "command")
SECONDS = 60.0
PLAN = """
import pathlib, sys
for each in sorted(pathlib.Path(sys.argv[1]).glob("[wo]*")):
    print(each.name, each.read_text(), "v1")
"""
ROLL = """
import pathlib, sys
for name, version in (each.split("=") for each in sys.argv[2:]):
    (pathlib.Path(sys.argv[1]) / name).write_text(version)
"""


@dataclass
class Stand:
    """Services that know `web`, which runs v2 and ran v1 before; and `other` beside it, which is not to be touched."""

    services: Services
    one: Version
    two: Version
    runs: Callable[[str], str]
    deploy: Callable[[str], object]
    missing: Version

    @property
    def forth(self) -> Change:
        return Change("web", self.two, self.one)


@pytest.fixture(params=STANDS)
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    match request.param:
        case "fake":
            fake = FakeServices({"web": v("v2"), "other": v("v2")}, {"web": v("v1")}, missing={"gone"})
            yield Stand(fake, v("v1"), v("v2"), lambda name: fake.now[name].id,
                        lambda version: fake.now.update(web=v(version)), v("gone"))  # fmt: skip
        case "podman":
            yield compose_stand(request.getfixturevalue("containers"))
        case "docker":
            yield compose_stand(request.getfixturevalue("docker"))
        case "kubernetes":
            with Kube() as kube:
                yield kubernetes_stand(kube, tmp_path)
        case _:
            yield command_stand(tmp_path)


def compose_stand(engine: Containers) -> Stand:
    ids = {name: engine.image(name, good=name == "v1") for name in ("v1", "v2", "v3")}
    names = {value: key for key, value in ids.items()}
    project = Project(engine.project, (str(engine.file),), ("web",), engine.compose, (engine.engine,))
    services = ComposeServices(project, LocalProgram())
    engine.deploy("v1")
    one = services.look().running["web"]
    engine.deploy("v2")
    two = services.look().running["web"]
    return Stand(services, one, two, lambda name: names[engine.running(name)], engine.deploy,
                 Version(f"sha256:{'0' * 64}", "localhost/web:v0", f"localhost/web@sha256:{'0' * 64}"))  # fmt: skip


def kubernetes_stand(kube: Kube, folder: Path) -> Stand:
    kube.write_config(folder / "config")

    def deploy(version: str) -> None:
        for name in ("web", "other"):
            kube.deploy(name, f"registry/{name}:{version}")
        for name in ("web", "other"):
            kube.settle(name)

    deploy("v1")
    deploy("v2")
    services = KubernetesServices(connected(str(folder / "config")), "default", ["web"])
    seen = services.look()
    assert seen.previous is not None
    return Stand(services, seen.previous["web"], seen.running["web"], lambda name: kube.image(name).rpartition(":")[2],
                 deploy, Version("0123456789"))  # fmt: skip


def command_stand(folder: Path) -> Stand:
    for name in ("web", "other"):
        (folder / name).write_text("v2")
    words = [(sys.executable, "-c", script, str(folder)) for script in (PLAN, ROLL)]
    return Stand(CommandPair(LocalProgram(), *words), v("v1"), v("v2"), lambda name: (folder / name).read_text(),
                 lambda version: (folder / "web").write_text(version), v("v0"))  # fmt: skip


both_ways = pytest.mark.parametrize("stand", ["fake", "podman", "docker", "kubernetes"], indirect=True)
"""A pair of commands looks for itself, brings what it needs, and is not told to go back."""
pytestmark = pytest.mark.xdist_group("containers")


def test_what_runs_and_what_ran_before_is_told(stand: Stand) -> None:
    seen = stand.services.look()
    assert seen.running["web"].id == stand.two.id
    assert seen.previous is None or seen.previous["web"].id == stand.one.id
    assert "v2" in str(stand.two)
    assert "v1" in str(stand.one)


def test_what_is_put_runs_and_the_rest_is_left_alone(stand: Stand) -> None:
    stand.services.fetch({"web": stand.one}, SECONDS)
    assert stand.runs("web") == "v2", "fetching changes nothing"
    assert stand.services.put([stand.forth], SECONDS).code == 0
    assert (stand.runs("web"), stand.runs("other")) == ("v1", "v2")
    assert stand.services.put([stand.forth], SECONDS).code == 0
    assert stand.runs("web") == "v1"


@both_ways
def test_the_way_back_is_as_good_as_the_way_there(stand: Stand) -> None:
    assert stand.services.put([stand.forth], SECONDS).code == 0
    assert stand.services.look().running["web"].id == stand.one.id
    assert stand.services.put([stand.forth.back], SECONDS).code == 0
    assert stand.runs("web") == "v2"


@both_ways
def test_what_somebody_else_changed_is_refused(stand: Stand) -> None:
    stand.deploy("v3")
    with pytest.raises(Refusal, match="changed by somebody else"):
        stand.services.put([stand.forth], SECONDS)
    assert stand.runs("web") == "v3"


@both_ways
def test_what_cannot_be_had_is_refused_and_named(stand: Stand) -> None:
    with pytest.raises(Refusal, match="web"):
        stand.services.fetch({"web": stand.missing}, 5)
    assert stand.runs("web") == "v2"


class Enough(Exception):
    """The caller may not go on."""


def test_what_a_beat_raises_goes_through(stand: Stand) -> None:
    def beats(good: int) -> Iterator[None]:
        yield from itertools.repeat(None, good)
        raise Enough

    with pytest.raises(Enough):
        stand.services.put([stand.forth], SECONDS, beats(0))


def test_nothing_to_change_is_done_at_once(stand: Stand) -> None:
    if stand.services.takes_back:
        assert stand.services.put([], SECONDS).code == 0
    assert stand.runs("web") == "v2"


def test_an_engine_that_is_away_is_told_in_a_sentence(tmp_path: Path) -> None:
    project = Project("shop", ("compose.yaml",), ("web",), engine=(str(tmp_path / "nothing"),))
    with pytest.raises(OutsideError, match="cannot be started"):
        ComposeServices(project, LocalProgram()).look()
    with Kube() as kube:
        kube.write_config(tmp_path / "config")
        services = KubernetesServices(connected(str(tmp_path / "config")), "default", ["web"])
        with pytest.raises(OutsideError, match="no Deployment"):
            services.look()
        kube.token = "another"
        with pytest.raises(OutsideError, match="does not let me"):
            services.look()
    fresh = KubernetesServices(connected(str(tmp_path / "config")), "default", ["web"])
    with pytest.raises(OutsideError, match="does not answer"):
        fresh.look()
