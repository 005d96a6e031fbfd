"""A service of two versions in really running containers, and a bot that is told of it: v1 is well, v2 is not."""

from __future__ import annotations

import time
from pathlib import Path

from sandbox.demo.stage import Stage
from sandbox.servers.containers import Containers


def told(engine: Containers) -> dict[str, str]:
    """The bot's settings: how this service is asked for its health, and taken back."""
    return {
        "BACKEND_HEALTH_URL": f"http://127.0.0.1:{engine.port}/health",
        "ROLLBACK_BY": "compose",
        "ROLLBACK_SERVICES": "web",
        "ROLLBACK_COMPOSE_FILES": str(engine.file),
        "ROLLBACK_COMPOSE_PROJECT": engine.project,
        "ROLLBACK_COMPOSE_COMMAND": " ".join(engine.compose),
        "ROLLBACK_CONTAINER_COMMAND": engine.engine,
        "ROLLBACK_LOOK_SECONDS": "1",
    }


def broken(stage: Stage, engine: Containers) -> dict[str, str]:
    """v2 was deployed over v1, which the bot had noted by itself to be well; the images' ids."""
    ids = {version: engine.image(version, good=version == "v1") for version in ("v1", "v2")}
    engine.storm(on=False)
    known = Path(stage.given["BACKUP_DIR"]) / "v1" / "shop" / "known-good"
    until = time.monotonic() + 60
    if not known.exists():
        engine.deploy("v1")
    while not known.exists():
        assert time.monotonic() < until, "the bot did not note what ran while health was green"
        time.sleep(0.2)
    engine.deploy("v2")
    assert (engine.running(), engine.health()) == (ids["v2"], 500)
    return ids
