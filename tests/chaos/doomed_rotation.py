"""A worker process that rotates a signing key and kills itself with SIGKILL before or after one of its calls.

`python -m tests.chaos.doomed_rotation JOB CALL NTH WHEN`, with what it needs as JSON on standard input.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.command import ShellCommand
from bot.adapters.consumer import HttpConsumer
from bot.worker import Beat
from handlers.core.ports import ArtifactStore
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.secrets import Kind, Managed, Secret, StoreSpec, Use
from handlers.core.words.answers import JobId
from tests.chaos.house import House, house
from tests.fake_secrets import FaultyFiles
from tests.fakes import Faults


class Doom(Faults):
    """What goes wrong is the end of this process."""

    def _happen(self, error: BaseException) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Program(HttpConsumer):
    """The example backend, which reads its file by itself; a roll-out is a moment all the same."""

    def __init__(self, use: Use, faults: Faults) -> None:
        super().__init__(use, ShellCommand("", ""), ShellCommand("", ""))
        self._faults = faults

    def roll_out(self, beat: Iterable[None] = ()) -> None:
        with self._faults.at("app.roll_out"):
            pass


def rotating(given: dict[str, str], faults: Faults) -> House:
    """A house in which `jwt` can be rotated."""
    url, folder = given["url"], Path(given["secrets"])
    use = Use("api", reports=(f"{url}/internal/secrets",), health=f"{url}/health", check=f"{url}/me", seconds=30)
    secret = Secret("jwt", Kind.JWT, "app", "jwt", overlap=timedelta(seconds=1), uses=(use,))
    managed = Managed({"app": StoreSpec("app", "files", str(folder))}, {"jwt": secret})

    def estate(store: ArtifactStore) -> Estate:
        consumers = {"jwt": {"api": Program(use, faults)}}
        return Estate(managed, {"app": FaultyFiles(folder, faults)}, consumers, store, SystemClock(), SystemEntropy())

    return house(given["uri"], given["redis"], Path(given["folder"]), given["path"], secrets=estate)


def main() -> None:
    """Works, and dies; ends with 3 when the moment never came."""
    job, call, nth, when = sys.argv[1:]
    faults = Doom()
    built = rotating(json.load(sys.stdin), faults)
    faults.kill(call, int(nth), after=when == "after")
    with Beat(built.desk):
        built.desk.work(JobId(job))
    sys.exit(3)


if __name__ == "__main__":
    main()
