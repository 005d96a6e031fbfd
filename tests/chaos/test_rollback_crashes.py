"""A worker killed with SIGKILL between each pair of effects of a rollback: another one looks, and comes to a true end.

- Of really running containers, and of Deployments in the stand-in of Kubernetes.
- `make test` takes some of the points, `make chaos` all of them; over fakes every call is one in every run
  (tests/handlers/test_rollbacks.py).
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.worker import Beat
from handlers.core.runbooks.attempts import StepState
from handlers.core.runbooks.rollback_journals import open_rollbacks
from handlers.core.words.answers import JobId
from handlers.core.words.jobs import JobState
from sandbox.kube.server import Kube
from sandbox.servers.containers import Containers
from tests.chaos.house import SHOP
from tests.chaos.rollback_house import RollbackHouse, rollback_house
from tests.depth import EVERY_POINT

# The journal: 0 begin, 1 intent put, 2 done put, then 3 end; or 3 intent return, 4 done return, 5 end.
FORTH = [
    "put.0000.before", "put.0000.after", "put.0001.before", "put.0001.after", "up.1.before", "beat.1.before",
    "beat.2.before", "up.1.after", "put.0002.before", "put.0002.after", "put.0003.before", "put.0003.after",
    "put.closed.before", "put.closed.after",
]  # fmt: skip
BACK = ["put.0003.before", "put.0003.after", "up.2.before", "up.2.after", "put.0004.before", "put.0004.after",
        "put.0005.before", "put.0005.after"]  # fmt: skip
SOME_FORTH, SOME_BACK = ["put.0001.after", "beat.1.before", "beat.2.before"], ["up.2.after"]
# Compose is often done before the second beat; for Deployments that is the moment between the first and the second.
CASES = [
    (by, point)
    for by in ("compose", "kubernetes")
    for point in (FORTH if EVERY_POINT else SOME_FORTH)
    if (by, point) != ("compose", "beat.2.before")
]
UNTOUCHED = {"put.0000.after", "put.0001.before"}


@dataclass
class Scene:
    """What ran v1 in health and runs v2 without."""

    given: dict[str, Any]
    house: RollbackHouse
    engine: Containers | Kube

    @property
    def runs(self) -> str:
        """The version; `v1 v2` when there are several."""
        if isinstance(self.engine, Kube):
            images = {self.engine.image(name).rpartition(":")[2] for name in ("api", "web")}
            return " ".join(sorted(images))
        names = {self.engine.image(name, good=name == "v1"): name for name in ("v1", "v2")}
        return names.get(self.engine.running(), "nothing")


@pytest.fixture(params=["compose", "kubernetes"])
def scene(request: pytest.FixtureRequest, redis_url: str, tmp_path: Path) -> Iterator[Scene]:
    given: dict[str, Any] = {"by": request.param, "redis": redis_url, "folder": str(tmp_path / "backups")}
    if request.param == "compose":
        yield of_containers(request.getfixturevalue("containers"), given)
        return
    with Kube() as kube:
        kube.write_config(tmp_path / "config")
        for version in ("v1", "v2"):
            for name in ("api", "web"):
                kube.deploy(name, f"registry/{name}:{version}")
                kube.settle(name)
        kube.sick |= {"registry/api:v2", "registry/web:v2"}
        given |= {"config": str(tmp_path / "config"), "health": f"{kube.url}/health/default/web"}
        yield Scene(given, rollback_house(given), kube)


def of_containers(engine: Containers, given: dict[str, Any]) -> Scene:
    given |= {
        "project": engine.project,
        "file": str(engine.file),
        "compose": engine.compose,
        "engine": engine.engine,
        "health": f"http://127.0.0.1:{engine.port}/health",
    }
    house = rollback_house(given)
    for version in ("v1", "v2"):
        engine.image(version, good=version == "v1")
        engine.deploy(version)
        if version == "v1":
            known = house.rollbacks.known
            assert known is not None
            assert house.rollbacks.well is not None
            for _ in range(2):
                assert known.look(house.rollbacks.services, house.rollbacks.well, 5)
    return Scene(given, house, engine)


@contextmanager
def sick(scene: Scene) -> Iterator[None]:
    """Health never comes: what was well is so no more."""
    if isinstance(scene.engine, Kube):
        scene.engine.sick |= {"registry/api:v1", "registry/web:v1"}
        yield
        return
    scene.engine.storm(on=True)
    try:
        yield
    finally:
        scene.engine.storm(on=False)


def work_until_killed(scene: Scene, job: JobId, point: str) -> None:
    """A worker process that dies at the point; what it had started ends by itself before anybody looks."""
    command = [sys.executable, "-m", "tests.chaos.doomed_rollback", job, point]
    ended = subprocess.run(
        command, input=json.dumps(scene.given).encode(), capture_output=True, timeout=90, check=False
    )
    assert ended.returncode == -signal.SIGKILL, f"{point} was not reached: {ended.stderr.decode()[-2000:]}"
    until = time.monotonic() + 20
    while any("podman_compose" in " ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])):
        assert time.monotonic() < until
        time.sleep(0.1)


def rescued(scene: Scene, job: JobId) -> None:
    """Another worker looks after it. The lease is taken away as its 20 s would."""
    house = scene.house
    held = house.state.get(f"lease:{job}")
    if held is not None:
        house.state.delete_if(f"lease:{job}", held.version)
    with Beat(house.desk):
        house.desk.find_lost()
        house.desk.tend()


def judge(scene: Scene, job: JobId, states: set[StepState], runs: str) -> None:
    found = scene.house.desk.load(job)
    assert found is not None
    assert found.state.final
    (attempt,) = scene.house.run.tries("back")
    assert attempt.state in states, str(attempt.text)
    assert (found.state is JobState.DONE) == (attempt.state is StepState.PASSED)
    assert scene.runs == runs
    assert open_rollbacks(scene.house.rollbacks.store, SHOP) == ()
    assert found.outcome is not None
    if attempt.state is not StepState.INTERRUPTED:
        assert "web runs " in str(found.outcome.text)
        assert runs in str(found.outcome.text).rpartition("web runs ")[2]


pytestmark = [pytest.mark.xdist_group("containers"), pytest.mark.timeout(180)]


@pytest.mark.parametrize(("scene", "point"), CASES, indirect=["scene"])
def test_a_rollback_that_is_killed_on_its_way_comes_to_a_true_end(scene: Scene, point: str) -> None:
    job = scene.house.offered()
    scene.house.confirm(job)
    work_until_killed(scene, job, point)
    rescued(scene, job)
    if point == "put.0000.before":
        judge(scene, job, {StepState.INTERRUPTED}, "v2")
    elif point in UNTOUCHED:
        judge(scene, job, {StepState.UNKNOWN}, "v2")
    else:
        judge(scene, job, {StepState.PASSED}, "v1")


@pytest.mark.parametrize("point", BACK if EVERY_POINT else SOME_BACK)
def test_a_rollback_that_is_killed_on_its_way_back_is_back_where_it_was(scene: Scene, point: str) -> None:
    with sick(scene):
        job = scene.house.offered()
        scene.house.confirm(job)
        work_until_killed(scene, job, point)
        rescued(scene, job)
    judge(scene, job, {StepState.FAILED}, "v2")


def test_a_rollback_whose_worker_and_state_are_both_lost_is_found_and_ended(scene: Scene) -> None:
    job = scene.house.offered()
    scene.house.confirm(job)
    work_until_killed(scene, job, "up.1.after")
    for prefix in ("job:", "active:", "lease:", "busy:", "dirty:", "approved:", "run:", "known-good:"):
        for key in scene.house.state.keys(prefix):
            held = scene.house.state.get(key)
            assert held is not None
            scene.house.state.delete_if(key, held.version)
    rescued(scene, job)
    found = scene.house.desk.load(job)
    assert found is not None
    assert (found.state, scene.runs) == (JobState.DONE, "v1")
    assert open_rollbacks(scene.house.rollbacks.store, SHOP) == ()
    known = scene.house.rollbacks.known
    assert known is None or len(known.sets()) == 1, "what was well is known still"
