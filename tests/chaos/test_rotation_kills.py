"""A worker that rotates a signing key is killed for good (SIGKILL) at an effect; another process ends its job.

- Redis, the journal, the store of files and the example backend are real; the probe asks it 200 times a second.
- `make chaos` kills before and after every effect, `make test` at two of them.
"""

from __future__ import annotations

import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from handlers.core.words.answers import JobId
from handlers.core.words.jobs import Job
from sandbox.servers.redis import RedisServer
from tests.chaos.doomed_rotation import rotating
from tests.chaos.serving import Probe, Served, serving
from tests.conftest import needs
from tests.depth import EVERY_POINT
from tests.fakes import Faults, someone
from tests.handlers.test_rotations import state_of, text_of

CALLS = ("secrets.stage", "app.roll_out", "secrets.promote")
MOMENTS = (
    [(call, nth, when) for call in CALLS for nth in (1, 2) for when in ("before", "after")]
    if EVERY_POINT
    else [("secrets.promote", 1, "after"), ("app.roll_out", 2, "before")]
)
ROOT = Path(__file__).parents[2]
_people = itertools.count()


@dataclass
class Scene:
    """What a test looks at."""

    served: Served
    given: dict[str, str]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, tools_path: str) -> Iterator[Scene]:
    for part in ("mongod", "redis-server", "node"):
        needs(part)
    folder = tmp_path_factory.mktemp("killed")
    (folder / "served").mkdir()
    with serving(folder / "served") as served, RedisServer() as redis:
        given = {
            "url": served.backend.url,
            "secrets": str(served.folder),
            "uri": served.mongod.uri("shop"),
            "redis": redis.url,
            "folder": str(folder / "backups"),
            "path": tools_path,
        }
        yield Scene(served, given)


def done(scene: Scene, *words: str) -> Job:
    """By somebody who has typed no code yet."""
    built = rotating(scene.given, Faults())
    job = built.asked("rotate", *words, by=someone(f"U{next(_people)}"))
    built.desk.work(job)
    found = built.loaded(job)
    built.close()
    return found


def rescued(scene: Scene, job: JobId) -> tuple[Job, str]:
    """Another worker looks after it. The lease is taken away as its 20 s would."""
    built = rotating(scene.given, Faults())
    held = built.state.get(f"lease:{job}")
    if held is not None:
        built.state.delete_if(f"lease:{job}", held.version)
    for _ in range(3):
        built.desk.find_lost()
        built.desk.tend()
        if built.loaded(job).state.final:
            break
    found = built.loaded(job)
    said = text_of(built.desk.card(found))
    built.close()
    return found, said


@pytest.mark.timeout(120)
@pytest.mark.parametrize(("call", "nth", "when"), MOMENTS)
def test_a_worker_that_is_killed_logs_nobody_out_and_another_one_ends_it(
    scene: Scene, call: str, nth: int, when: str
) -> None:
    scene.served.reset()
    asking = rotating(scene.given, Faults())
    job = asking.asked("rotate", "jwt", by=someone(f"U{next(_people)}"))
    asking.close()
    session = scene.served.backend.log_in()
    command = [sys.executable, "-m", "tests.chaos.doomed_rotation", job, call, str(nth), when]
    with Probe(scene.served, session) as probe:
        child = subprocess.run(command, input=json.dumps(scene.given).encode(), cwd=ROOT, timeout=60)
        assert child.returncode == -signal.SIGKILL
        ended, said = rescued(scene, job)
    assert probe.failed == []
    assert state_of(ended) in {"aborted", "rolled_back", "soaking"}
    assert ended.outcome is not None
    assert str(ended.outcome.text) in said
    assert scene.served.backend.lets_in(session)
    scene.served.cases += 1
    assert state_of(done(scene, "jwt", "now!")) == "retired"
    assert not scene.served.backend.lets_in(session)
    assert scene.served.backend.lets_in(scene.served.backend.log_in())
