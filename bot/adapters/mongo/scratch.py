"""Scratch (see the port) by a mongod of its own for each drill.

- A standalone with a small cache that expires nothing, in a folder nobody else may read, reached by a socket in that
  folder and by nothing else: what it holds is a copy of live data, and it has no users.
- A keeper (see there) ends it and removes the folder, also when the worker is killed.
- What a killed keeper left is swept at the next start: a folder of our name whose lock nobody holds. A mongod that
  still runs in it is known by the lock on its own `mongod.lock`, and ended by the id in that file.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

from bot.adapters.mongo import MongoDatabase, keeper
from bot.adapters.mongo.sealing import keys
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Bytes, Code, Lines, Text

NAME = "drill"
PREFIX = "negahban-drill-"
CACHE_GIGABYTES = 0.25
READY_SECONDS = 60.0
TURN_SECONDS = 0.05
END_SECONDS = 30.0
ROOM = 2
"""Times the BSON. The data files and indexes of 920 MB of mixed documents took 0.7 of it; data that does not compress
takes more than all of it, and the journal comes on top."""
SPARE_BYTES = 512 * 1024 * 1024
"""An empty MongoDB, with the journal files it makes in advance."""
FRESH_SECONDS = 60.0
LONGEST_SOCKET_BYTES = 104
"""sockaddr_un holds 108 bytes on Linux, 104 on macOS, with the zero at the end."""


class ScratchMongod:
    """A mongod for each drill. `program`: its path, or its name, looked for along `path`, as mongorestore is; `folder`:
    where its data goes, empty for the system's place for temporary files."""

    def __init__(self, program: str, folder: str, *, path: str | None = None, identities: Sequence[str] = ()) -> None:
        self._program = program
        self._folder = Path(folder or tempfile.gettempdir())
        self._path = os.environ.get("PATH", os.defpath) if path is None else path
        self._keys = keys(identities)

    @contextmanager
    def open(self, need_bytes: int) -> Iterator[MongoDatabase]:
        """See the port."""
        program = self._found()
        sweep(self._folder)
        self._check_room(need_bytes)
        place = self._made_folder()
        kept = Kept(place, [program, *_arguments(place)])
        try:
            with closing(self.database(_uri(place), self._path)) as database:
                kept.wait_until_ready(database)
                try:
                    yield database
                except OutsideError as error:
                    kept.explain(error)
                    raise
        finally:
            kept.end()

    def database(self, uri: str, path: str) -> MongoDatabase:
        """The database of one drill."""
        return MongoDatabase(uri, path=path, identities=self._keys)

    def _found(self) -> str:
        found = shutil.which(self._program, path=self._path)
        if found is None:
            raise OutsideError(
                Text(
                    "{name} is not there, so nothing was restored. A drill needs a mongod where the worker runs: put "
                    "it on PATH, name it in DRILL_MONGOD, or name a scratch server in DRILL_URI.",
                    name=Code(self._program),
                ),
                permanent=True,
            )
        return found

    def _check_room(self, need_bytes: int) -> None:
        need = need_bytes * ROOM + SPARE_BYTES
        try:
            free = shutil.disk_usage(self._folder).free
        except OSError as error:
            raise self._unusable(error) from error
        if free < need:
            raise OutsideError(
                Text(
                    "There is no room for a drill: {folder} has {free} free, and it may need {need}. DRILL_DIR can "
                    "name another folder.",
                    folder=Code(str(self._folder)),
                    free=Bytes(free),
                    need=Bytes(need),
                )
            )

    def _made_folder(self) -> Path:
        try:
            place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=self._folder))
            (place / "data").mkdir()
        except OSError as error:
            raise self._unusable(error) from error
        if len(os.fsencode(_socket(place))) >= LONGEST_SOCKET_BYTES:
            shutil.rmtree(place, ignore_errors=True)
            raise OutsideError(
                Text(
                    "The path {folder} is too long for a socket. Name a shorter one in DRILL_DIR.",
                    folder=Code(str(self._folder)),
                ),
                permanent=True,
            )
        return place

    def _unusable(self, error: OSError) -> OutsideError:
        return OutsideError(
            Text(
                "The folder {folder} cannot be used for a drill: {why}.",
                folder=Code(str(self._folder)),
                why=error.strerror or "",
            )
        )


class Kept:
    """A mongod and its keeper. Raises OutsideError when it does not start."""

    def __init__(self, place: Path, command: list[str]) -> None:
        self._place = place
        lock = os.open(place / "lock", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._keeper = subprocess.Popen(
                [sys.executable, "-I", "-S", keeper.__file__, str(place), str(lock), *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock,),
                start_new_session=True,
                env={"PATH": os.defpath, "HOME": "/nonexistent", "LANG": "C.UTF-8"},
            )
        except OSError as error:
            shutil.rmtree(place, ignore_errors=True)
            raise OutsideError(Text("A scratch server cannot be started: {why}.", why=error.strerror or "")) from error
        finally:
            os.close(lock)
        self._said = b""

    def wait_until_ready(self, database: MongoDatabase) -> None:
        """Raises OutsideError when it does not answer in time."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and not self.has_ended():
            if _socket(self._place).exists():
                try:
                    database.deployment()
                except OutsideError:
                    continue
                return
            time.sleep(TURN_SECONDS)
        raise OutsideError(Text("The scratch server did not start. {lines}", lines=Lines(self._last_words())))

    def has_ended(self) -> bool:
        """Whether the server has ended by itself, or its keeper."""
        assert self._keeper.stdout is not None  # noqa: S101 a pipe by construction
        readable, _, _ = select.select([self._keeper.stdout], [], [], 0)
        if readable:
            data = os.read(self._keeper.stdout.fileno(), 1000)
            self._said += data or b"exit\n"
        return b"exit" in self._said

    def explain(self, error: OutsideError) -> None:
        """Raises a better OutsideError when the cause is that the server has ended."""
        time.sleep(TURN_SECONDS * 10)  # the keeper looks every 0.2 s
        if not self.has_ended():
            return
        free = shutil.disk_usage(self._place.parent).free
        raise OutsideError(
            Text(
                "The scratch server ended in the middle of the drill; {folder} has {free} free. {lines}",
                folder=Code(str(self._place.parent)),
                free=Bytes(free),
                lines=Lines(self._last_words()),
            )
        ) from error

    def _last_words(self) -> str:
        """Why it failed, by its log: what went wrong first; the end of it when it says nothing of the kind."""
        try:
            lines = (self._place / "log").read_text(errors="replace").splitlines()[-500:]
        except OSError:
            return ""
        failures = dict.fromkeys(said for line in lines if (said := _failure(line)))
        return "\n".join([*failures][:3] or [line[:300] for line in lines[-3:]])

    def end(self) -> None:
        """Ends the server and its keeper, and removes the folder. Never raises."""
        assert self._keeper.stdin is not None and self._keeper.stdout is not None  # noqa: S101, PT018 pipes by construction
        with suppress(OSError):
            self._keeper.stdin.close()
        try:
            self._keeper.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._keeper.kill()  # and its server with it
            self._keeper.wait()
        self._keeper.stdout.close()
        shutil.rmtree(self._place, ignore_errors=True)


def _failure(line: str) -> str:
    """What a line of MongoDB's log says about an error (severity E or F); empty for every other."""
    try:
        entry = json.loads(line)
        if entry["s"] not in {"E", "F"}:
            return ""
        detail = entry.get("attr", {}).get("message", "")
        return str(detail["error_str"] if isinstance(detail, dict) else detail or entry["msg"]).strip()[:200]
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def sweep(folder: Path) -> None:
    """Removes what killed keepers left in a folder. Never raises."""
    with suppress(OSError):
        for place in folder.glob(f"{PREFIX}*"):
            if _is_free(place / "lock", place) and _is_ended(place / "data" / "mongod.lock"):
                shutil.rmtree(place, ignore_errors=True)


def _is_free(lock: Path, place: Path) -> bool:
    """Whether nobody holds the lock. A folder without one may just be being made."""
    try:
        with lock.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        with suppress(OSError):
            return time.time() - place.stat().st_mtime > FRESH_SECONDS
        return False
    except OSError:
        return False


def _is_ended(lock: Path) -> bool:
    """Kills the mongod that holds this lock; the id in the file is its own as long as it holds it. False when one holds
    it that has not written its id yet."""
    try:
        with lock.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.kill(int(file.read(20)), signal.SIGKILL)
    except (FileNotFoundError, ProcessLookupError):
        return True
    except (OSError, ValueError):
        return False
    return True


def _socket(place: Path) -> Path:
    return place / "mongod.sock"


def _uri(place: Path) -> str:
    return f"mongodb://{quote(str(_socket(place)), safe='')}/{NAME}?directConnection=true"


def _arguments(place: Path) -> list[str]:
    quiet = ("ttlMonitorEnabled=false", "diagnosticDataCollectionEnabled=false")
    return [
        *("--dbpath", str(place / "data"), "--bind_ip", str(_socket(place)), "--port", "0"),
        *("--unixSocketPrefix", str(place), "--wiredTigerCacheSizeGB", str(CACHE_GIGABYTES)),
        *(word for each in quiet for word in ("--setParameter", each)),
    ]
