"""Canaries: secrets that are planted to be looked for where they must not be, and what looks.

- A `Canary` is found as it is, percent-encoded, in base64 at any alignment, and in hex. A code of six digits is found
  alone only: as a word of its own, not as part of a number, a time or an id.
- A `Watch` samples, every few milliseconds, the command line and the environment of every process below one, and every
  file of a folder for temporary files: what was there only for a moment is seen too.
"""

from __future__ import annotations

import base64
import contextlib
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psutil

SAMPLE_SECONDS = 0.01
_CODE = re.compile(r"[0-9]{6}")


@dataclass(frozen=True, slots=True)
class Canary:
    """`name`: what it is; `value`: the secret."""

    name: str
    value: str

    def patterns(self) -> Iterable[bytes]:
        """What it may look like."""
        if _CODE.fullmatch(self.value):
            yield rb"(?<![0-9A-Za-z.:+_-])" + self.value.encode() + rb"(?![0-9A-Za-z_-])"
            return
        raw = self.value.encode()
        yield from map(re.escape, {raw, quote(self.value, safe="").encode(), raw.hex().encode()})
        for shift in range(3):  # base64 of it inside something longer, without the characters that mix with neighbours
            encoded = base64.b64encode(b"\0" * shift + raw)[4 if shift else 0 :]
            yield re.escape(encoded[: len(raw) * 4 // 3 - 4])


@dataclass(frozen=True, slots=True)
class Leak:
    """Which canary was where."""

    canary: str
    place: str

    def __str__(self) -> str:
        return f"{self.canary} is in {self.place}"


class Aviary:
    """All canaries of a test, and what was found."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._patterns = {each.name: re.compile(b"|".join(each.patterns())) for each in canaries}

    def add(self, canary: Canary) -> None:
        """One more, that came into being while the test ran."""
        self._patterns[canary.name] = re.compile(b"|".join(canary.patterns()))

    def found_in(self, places: Mapping[str, bytes]) -> list[Leak]:
        """Every canary in every place."""
        return [
            Leak(canary, place)
            for place, content in places.items()
            for canary, pattern in self._patterns.items()
            if pattern.search(content)
        ]


def files_below(folder: Path) -> dict[str, bytes]:
    """What its files hold, those in folders too; what vanishes meanwhile is left out."""
    found = {}
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                found[str(path.relative_to(folder))] = path.read_bytes()
    return found


@dataclass(slots=True)
class Watch:
    """A thread, while it is entered. `pid`: whose descendants are sampled; `temporary`: the folder; what was seen is in
    `arguments` and `environments` by the command line, and `files` by name."""

    pid: int
    temporary: Path
    arguments: set[bytes] = field(default_factory=set)
    environments: dict[bytes, set[bytes]] = field(default_factory=dict)
    files: dict[str, set[bytes]] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._run, name="canary watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join(10)
        self.sample()

    def _run(self) -> None:
        while not self._ending.wait(SAMPLE_SECONDS):
            self.sample()

    def sample(self) -> None:
        """Looks once."""
        with contextlib.suppress(psutil.Error):
            for child in psutil.Process(self.pid).children(recursive=True):
                self._look(child.pid)
        for name, content in files_below(self.temporary).items():
            self.files.setdefault(name, set()).add(content)

    def _look(self, pid: int) -> None:
        place = Path("/proc") / str(pid)
        with contextlib.suppress(OSError):
            line = (place / "cmdline").read_bytes()
            self.arguments.add(line)
            self.environments.setdefault(line, set()).add((place / "environ").read_bytes())

    def places(self, *, but: Iterable[tuple[bytes, bytes]] = ()) -> dict[str, bytes]:
        """What was seen, to be searched. `but`: words of a command line, and the variable that such a command may have:
        nothing else of its environment is left out."""
        found = {f"the command line {line[:60]!r}": line for line in self.arguments}
        for line, seen in self.environments.items():
            content = b"\0".join(seen)
            for words, variable in but:
                if words in line:
                    content = b"\0".join(each for each in content.split(b"\0") if not each.startswith(variable + b"="))
            found[f"the environment of {line[:60]!r}"] = content
        for name, contents in self.files.items():
            found[f"the temporary file {name}"] = b"\0".join(contents)
        return found
