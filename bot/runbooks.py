"""What runbooks need of the bot: their files, backups through the desk, messages to a channel.

- The folder is looked at again when something asks, at most every two seconds; a file that did not change is not read
  again. A file that cannot be read is told by its name.
- The desk is given after it was built, because it is built from the handlers that use it here.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

from bot.adapters import yaml_file
from handlers.core.door.alarms import Alarm, Alarms
from handlers.core.door.desk import Began, Desk
from handlers.core.ports import Clock
from handlers.core.words.answers import Actor, Invocation, JobId, TargetName
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.jobs import JobState
from handlers.core.words.text import Code, Text

LOOK_SECONDS = 2.0
MOST_FILES = 200


class Folder:
    """The Shelf port: `*.yaml` in a folder."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._read: dict[str, tuple[tuple[int, int], object | Problem]] = {}
        self._looked: float | None = None
        self._lock = threading.Lock()

    def look(self) -> Mapping[str, object | Problem]:
        """See Shelf."""
        with self._lock:
            now = self._clock.monotonic()
            if self._looked is None or now - self._looked >= LOOK_SECONDS:
                self._read = self._again()
                self._looked = now
            return {name: data for name, (_, data) in self._read.items()}

    def _again(self) -> dict[str, tuple[tuple[int, int], object | Problem]]:
        found: dict[str, tuple[tuple[int, int], object | Problem]] = {}
        try:
            files = sorted(self._path.iterdir())
            for file in [each for each in files if each.suffix in {".yaml", ".yml"}][:MOST_FILES]:
                stat = file.stat()
                seen = (stat.st_mtime_ns, stat.st_size)
                known = self._read.get(file.stem)
                found[file.stem] = known if known is not None and known[0] == seen else (seen, _data(file))
        except OSError as error:
            raise OutsideError(
                Text("The folder of runbooks cannot be read: {why}.", why=error.strerror or "")
            ) from error
        return found


def _data(file: Path) -> object | Problem:
    try:
        return yaml_file.read(file)
    except Problem as problem:
        return problem


class DeskBackups:
    """The Backups port."""

    def __init__(self) -> None:
        self.desk: Desk | None = None

    def begin(self, target: TargetName, actor: Actor, channel: str) -> JobId:
        """See Backups."""
        if self.desk is None:
            raise OutsideError(Text("The bot is still starting."))
        answer = self.desk.ask(Invocation("backup", ("now", target), actor, channel))
        if isinstance(answer, Began):
            return answer.job
        raise Refusal(answer.card.title)

    def ended(self, job: JobId) -> tuple[bool, Text] | None:
        """See Backups."""
        found = None if self.desk is None else self.desk.load(job)
        if found is None:
            raise OutsideError(Text("The record of backup job {job} is gone.", job=Code(job)))
        if found.outcome is None or not found.state.final:
            return None
        return found.state is JobState.DONE, found.outcome.text


class ChannelNotices:
    """The Notices port: a card of its own, shown by the relay."""

    def __init__(self, alarms: Alarms, operation: str) -> None:
        self._alarms = alarms
        self._operation = operation

    def tell(self, channel: str, text: Text, target: TargetName, actor: Actor) -> None:
        """See Notices."""
        self._alarms.tell(Alarm("runbook", self._operation, target, text, {}), actor, channel)
