"""Going back to images that only a registry has: Docker's own engine and Compose, and a real registry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from bot.adapters.command import LocalProgram
from bot.adapters.compose import ComposeServices, Project
from handlers.core.runbooks.deployments import Change, Version
from handlers.core.words.errors import Refusal
from sandbox.servers.containers import Containers
from sandbox.servers.registry import Registry

SECONDS = 60.0
pytestmark = pytest.mark.xdist_group("containers")


@dataclass
class Stand:
    """`web` runs v2 and ran v1 before, which is not on this machine any more."""

    engine: Containers
    services: ComposeServices
    one: Version
    two: Version

    @property
    def forth(self) -> Change:
        return Change("web", self.two, self.one)

    def here(self) -> bool:
        return self.one.id.removeprefix("sha256:") in self.engine.said("images", "--all", "--quiet", "--no-trunc")


@pytest.fixture
def stand(docker: Containers) -> Iterator[Stand]:
    with Registry() as registry:
        docker.repository = f"{registry.address}/web"
        try:
            yield published(docker)
        finally:
            docker.repository = "localhost/web"


def published(engine: Containers) -> Stand:
    project = Project(engine.project, (str(engine.file),), ("web",), engine.compose, (engine.engine,))
    services = ComposeServices(project, LocalProgram())
    seen = {}
    for version in ("v1", "v2"):
        engine.image(version, good=version == "v1")
        engine.publish(version)
        engine.deploy(version)
        seen[version] = services.look().running["web"]
    engine.forget(seen["v1"].id)
    found = Stand(engine, services, seen["v1"], seen["v2"])
    assert not found.here()
    return found


def test_what_was_well_is_pulled_by_its_digest_and_runs(stand: Stand) -> None:
    assert stand.one.source.startswith(f"{stand.engine.repository}@sha256:")
    stand.services.fetch({"web": stand.one}, SECONDS)
    assert stand.here()
    assert stand.engine.running() == stand.two.id, "fetching changes nothing"
    ended = stand.services.put([stand.forth], SECONDS)
    assert (ended.code, stand.engine.running(), stand.engine.health()) == (0, stand.one.id, 200), ended.output


def test_a_tag_that_was_moved_meanwhile_is_not_followed(stand: Stand) -> None:
    stand.engine.said("tag", stand.two.id, f"{stand.engine.repository}:v1")
    stand.engine.said("push", f"{stand.engine.repository}:v1")
    stand.services.fetch({"web": stand.one}, SECONDS)
    assert stand.services.put([stand.forth], SECONDS).code == 0
    assert stand.engine.running() == stand.one.id


def test_a_registry_that_does_not_have_it_is_told_and_nothing_changes(stand: Stand) -> None:
    gone = Version(stand.one.id, str(stand.one.tag), f"{stand.engine.repository}@sha256:{'0' * 64}")
    with pytest.raises(Refusal, match=r"could not be pulled: .*not found.*Nothing was changed"):
        stand.services.fetch({"web": gone}, SECONDS)
    assert (stand.engine.running(), stand.here()) == (stand.two.id, False)
