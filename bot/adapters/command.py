"""A program that the team configured, run without a shell: MIGRATE_COMMAND, and the programs of runbooks.

- The line is split as a shell would (quotes), and nothing in it is expanded.
- It sees PATH, HOME, LANG and (MIGRATE_COMMAND and hooks only) MONGODB_URI, and nothing else of the bot's environment;
  on its standard input nothing, or what it is given (a secret goes this way, never as an argument or by name).
- It has a process group of its own. After its time (15 minutes) the group is asked to end, then killed; whatever it
  left running is ended with it.
- Of its output the last 20 lines are kept (of a runbook's program the last 200 kB, which says how many lines came
  before), whatever its length, without colours, control characters or the credentials of MONGODB_URI.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shlex
import signal
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from urllib.parse import unquote

from handlers.core.ports import CommandResult
from handlers.core.runbooks.probes import Finished
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text, cleaned

KEPT_LINES, KEPT_BYTES = 20, 200_000
LINE_CHARACTERS = 2000
"""Of a runbook's program; a longer line is cut."""
LIMIT_SECONDS = 15 * 60.0
GRACE_SECONDS = 10.0
BEAT_SECONDS = 1.0
TURN_SECONDS = 0.2
DRAIN_SECONDS = 1.0
"""How long to wait for the rest of the output once the program itself has ended."""
_READ_BYTES = 64 * 1024
_LINE_BYTES = 16 * 1024
_INHERITED = ("PATH", "HOME", "LANG")
_HIDDEN = "•••"
_COLOURS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_CREDENTIALS = re.compile(r"(mongodb(?:\+srv)?://)[^\s/@]*:[^\s@]*@")
_SECRET_OPTION = re.compile(r"password|mechanismproperties|token|secret", re.IGNORECASE)
_SHORTEST_SECRET = 4


class ShellCommand:
    """The Command port."""

    def __init__(
        self, line: str, uri: str, *, limit_seconds: float = LIMIT_SECONDS, grace_seconds: float = GRACE_SECONDS
    ) -> None:
        """`line`: as configured, empty for none; `uri`: the database's address, given as MONGODB_URI. Raises Refusal
        for a line whose quotes do not match."""
        self._line = line.strip()
        self._uri = uri
        self._limit_seconds = limit_seconds
        self._grace_seconds = grace_seconds
        try:
            self._words = shlex.split(self._line)
        except ValueError as error:
            raise Refusal(
                Text("MIGRATE_COMMAND has a quote that is not closed: {line}", line=Code(self._line))
            ) from error

    @property
    def line(self) -> str:
        """As configured, for people; empty when there is none."""
        return self._line

    def run(self, beat: Iterable[None] = (), *, given: bytes = b"") -> CommandResult:
        """Runs it to its end, taking one from `beat` about each second; what that raises goes through, after the
        program was ended. `given`: what it reads, at most 64 KiB. Raises OutsideError when it cannot be started."""
        process = _started(self._words, {"MONGODB_URI": self._uri}, given)
        last = LastLines(KEPT_LINES)
        code = _run(process, last, beat, self._limit_seconds, self._grace_seconds)
        return CommandResult(code, "\n".join(_shown(last.lines(), secrets_of(self._uri))))


class LocalProgram:
    """The Program port: programs of runbooks, on this machine."""

    def __init__(self, secrets: Iterable[str] = (), passed_on: Iterable[str] = ()) -> None:
        """`secrets`: what is never shown of an output; `passed_on`: what they see of the bot's environment too."""
        self._secrets = tuple(secrets)
        self._passed_on = tuple(passed_on)

    def run(self, words: Sequence[str], seconds: float, beat: Iterable[None] = ()) -> Finished:
        """See the port."""
        more = {name: os.environ[name] for name in self._passed_on if name in os.environ}
        last = LastLines()
        code = _run(_started(words, more), last, beat, seconds, GRACE_SECONDS)
        left_out = [f"({last.left_out} lines before these were not kept)"] if last.left_out else []
        return Finished(code, "\n".join([*left_out, *_shown(last.lines(), self._secrets, LINE_CHARACTERS)]))


def _run(
    process: subprocess.Popen[bytes], last: LastLines, beat: Iterable[None], limit_seconds: float, grace_seconds: float
) -> int | None:
    """How it ended; None when its time was over."""
    try:
        in_time = _watch(process, last, iter(beat), limit_seconds)
    finally:
        _end(process, grace_seconds)
    return process.returncode if in_time else None


def _started(words: Sequence[str], more: Mapping[str, str], given: bytes = b"") -> subprocess.Popen[bytes]:
    if not words:
        raise OutsideError(Text("No command is configured."), permanent=True)
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    source = _pipe_of(given) if given else subprocess.DEVNULL
    try:
        return subprocess.Popen(
            list(words),
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**environment, **more},
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        reason = os.strerror(error.errno or 0) if isinstance(error, OSError) else "it has a character it may not"
        raise OutsideError(
            Text("{program} cannot be started ({reason}).", program=Code(words[0]), reason=reason),
            permanent=True,
        ) from error
    finally:
        if source >= 0:
            os.close(source)


def _watch(process: subprocess.Popen[bytes], last: LastLines, beats: Iterator[None], limit_seconds: float) -> bool:
    """Reads until the program has ended; False when its time was over first."""
    deadline, next_beat = time.monotonic() + limit_seconds, 0.0
    while process.poll() is None:
        now = time.monotonic()
        if now >= deadline:
            return False
        if now >= next_beat:
            next(beats, None)
            next_beat = now + BEAT_SECONDS
        if not last.read_from(process, TURN_SECONDS):
            _wait(process, TURN_SECONDS)  # it closed its output and goes on
    drained = time.monotonic() + DRAIN_SECONDS
    while (rest := drained - time.monotonic()) > 0 and last.read_from(process, rest):
        pass
    return True


def _shown(lines: Iterable[str], secrets: Sequence[str], limit: int = 300) -> Iterator[str]:
    for line in lines:
        text = _COLOURS.sub("", line.rstrip("\r"))
        if len(text) < _LINE_BYTES // 4:
            text = text.rpartition("\r")[2]  # a progress line: what it said last
        for secret in secrets:
            text = text.replace(secret, _HIDDEN)
        yield cleaned(_CREDENTIALS.sub(rf"\1{_HIDDEN}@", text), limit)


class LastLines:
    """The end of an output of any length, in bounded memory: at most so many lines, and at most 200 kB."""

    def __init__(self, most_lines: int | None = None) -> None:
        self._most_lines = most_lines
        self._whole: deque[bytes] = deque()
        self._bytes = 0
        self._begun = b""
        self.left_out = 0

    def read_from(self, process: subprocess.Popen[bytes], seconds: float) -> bool:
        """Takes what the process wrote within that time; False at the end of its output."""
        if process.stdout is None:
            return False
        readable, _, _ = select.select([process.stdout], [], [], max(0.0, seconds))
        if not readable:
            return True
        data = os.read(process.stdout.fileno(), _READ_BYTES)
        *whole, begun = (self._begun + data).split(b"\n")
        for line in whole:
            self._keep(line[:_LINE_BYTES])
        self._begun = begun[:_LINE_BYTES]
        return bool(data)

    def lines(self) -> list[str]:
        """The last lines, oldest first. Nothing is read afterwards."""
        if self._begun:
            self._keep(self._begun)
            self._begun = b""
        return [line.decode(errors="replace") for line in self._whole]

    def _keep(self, line: bytes) -> None:
        self._whole.append(line)
        self._bytes += len(line) + 1
        while self._bytes > KEPT_BYTES or (self._most_lines is not None and len(self._whole) > self._most_lines):
            self._bytes -= len(self._whole.popleft()) + 1
            self.left_out += 1


def secrets_of(uri: str) -> tuple[str, ...]:
    """The parts of an address that nobody may read, longest first, as written and decoded: the account in it, and
    options that are secrets (passwords of key files, session tokens)."""
    _, _, rest = uri.partition("://")
    place, _, options = rest.partition("?")
    account = place.rpartition("@")[0]
    user, _, password = account.partition(":")
    found = {account, password, *(value for name, value in _options(options) if _SECRET_OPTION.search(name))}
    found |= {unquote(each) for each in found}
    return tuple(sorted((each for each in found - {user} if len(each) >= _SHORTEST_SECRET), key=len, reverse=True))


def _options(options: str) -> Iterator[tuple[str, str]]:
    for option in options.split("&"):
        name, _, value = option.partition("=")
        yield name, value


def _pipe_of(given: bytes) -> int:
    """The reading end of a pipe that holds these bytes; Linux keeps 64 KiB in one."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(given)
    return reading


def _wait(process: subprocess.Popen[bytes], seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def _end(process: subprocess.Popen[bytes], grace_seconds: float) -> None:
    """Ends the process and its group, and reaps it. Its group has its id, also when the leader has gone."""
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        _wait(process, grace_seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()
