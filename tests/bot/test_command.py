"""A configured program runs without a shell, sees only what it needs, and is ended when it must be."""

from __future__ import annotations

import os
import shlex
import sys
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.adapters.command import ShellCommand
from handlers.core.ports import Command
from handlers.core.words.errors import Cancelled, OutsideError, Refusal
from handlers.core.words.text import Text
from sandbox.servers.process import is_running

URI = "mongodb://shop:s3cr%40t-pw@127.0.0.1:27017/shop?tlsCertificateKeyFilePassword=keyfile-pw"


def _python(script: str, *words: str, uri: str = URI, limit_seconds: float = 20, grace_seconds: float = 5) -> Command:
    line = shlex.join([sys.executable, "-S", "-c", script, *words])
    return ShellCommand(line, uri, limit_seconds=limit_seconds, grace_seconds=grace_seconds)


def _pid_in(file: Path) -> int:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if file.exists() and file.read_text().endswith("\n"):
            return int(file.read_text())
        time.sleep(0.02)
    raise AssertionError(f"no process id in {file}")


def _ends(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_running(pid)


def test_its_end_and_both_its_outputs_are_reported() -> None:
    result = _python("import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)").run()
    assert result.return_code == 3
    assert result.last_lines == "out\nerr"


def test_it_sees_the_database_and_little_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_KEY", "secret")
    monkeypatch.setenv("SLACK_BOT_TOKEN", "secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    script = "import os; print(*sorted(set(os.environ) - {'LC_CTYPE'})); print(len(os.environ['MONGODB_URI']))"
    result = _python(script).run()
    assert result.last_lines == f"HOME LANG MONGODB_URI PATH\n{len(URI)}"


def test_no_shell_reads_the_line() -> None:
    script = "import sys; print(sys.argv[1:])"
    result = _python(script, "$HOME", "a;b", "`id`", "*", "&&", "|", ">x").run()
    assert result.last_lines == "['$HOME', 'a;b', '`id`', '*', '&&', '|', '>x']"


def test_its_standard_input_is_empty() -> None:
    assert _python("import sys; print(repr(sys.stdin.read()))").run().last_lines == "''"


def test_only_the_last_twenty_lines_are_kept() -> None:
    result = _python("for n in range(1000): print('line', n)").run()
    assert result.last_lines.splitlines() == [f"line {number}" for number in range(980, 1000)]


def test_an_endless_line_takes_no_memory() -> None:
    tracemalloc.start()
    result = _python("import sys\nfor n in range(600): sys.stdout.write('x' * 100_000)\nprint('\\nend')").run()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4_000_000
    first, last = result.last_lines.splitlines()
    assert first.startswith("xxx")
    assert len(first) <= 300
    assert last == "end"


def test_colours_controls_and_bad_bytes_are_cleaned_away() -> None:
    script = (
        "import sys; sys.stdout.buffer.write("
        "b'\\x1b[31mred\\x1b[0m\\n 10 %\\r 99 %\\r100 %\\r\\nbell\\x07\\nbad \\xff\\nturn \\xe2\\x80\\xae')"
    )
    assert _python(script).run().last_lines == "red\n100 %\nbell�\nbad �\nturn �"


def test_the_secrets_of_the_address_never_come_back() -> None:
    script = (
        "import os; u = os.environ['MONGODB_URI']; print(u); print('password s3cr%40t-pw'); print('s3cr@t-pw.');"
        "print('s3cr\\x1b[1m%40t-pw'); print('keyfile-pw'); print('mongodb+srv://other:word@host/db'); print('shop')"
    )
    shown = _python(script).run().last_lines
    for secret in ("s3cr%40t-pw", "s3cr@t-pw", "keyfile-pw", "other:word"):
        assert secret not in shown
    assert shown.splitlines()[0].startswith("mongodb://•••@127.0.0.1:27017/shop")
    assert shown.splitlines()[-1] == "shop"


def test_the_secret_is_not_in_any_command_line() -> None:
    script = "print(open('/proc/self/cmdline').read().replace(chr(0), ' ').count('s3' + 'cr'))"
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("no /proc here")
    assert _python(script).run().last_lines == "0"


def test_after_its_time_it_and_its_children_are_ended(tmp_path: Path) -> None:
    script = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        "open(sys.argv[1], 'w').write(f'{child.pid}\\n'); print('began', flush=True); time.sleep(60)"
    )
    began = time.monotonic()
    result = _python(script, str(tmp_path / "pid"), limit_seconds=1).run()
    assert result.return_code is None
    assert result.last_lines == "began"
    assert time.monotonic() - began < 10
    assert _ends(_pid_in(tmp_path / "pid"))


def test_one_that_will_not_end_is_killed(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "open(sys.argv[1], 'w').write(f'{os.getpid()}\\n'); time.sleep(60)"
    )
    result = _python(script, str(tmp_path / "pid"), limit_seconds=1, grace_seconds=0.3).run()
    assert result.return_code is None
    assert not is_running(_pid_in(tmp_path / "pid"))


def test_what_it_leaves_running_is_ended_and_holds_nobody_up(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(60)'])\n"
        "open(sys.argv[1], 'w').write(f'{child.pid}\\n'); print('done')"
    )
    began = time.monotonic()
    result = _python(script, str(tmp_path / "pid")).run()
    assert result.return_code == 0
    assert result.last_lines == "done"
    assert time.monotonic() - began < 10
    assert _ends(_pid_in(tmp_path / "pid"))


def test_one_that_closes_its_output_is_still_waited_for() -> None:
    result = _python("import os, sys, time; os.close(1); os.close(2); time.sleep(0.5); os._exit(7)").run()
    assert result.return_code == 7


def test_a_beat_is_taken_about_each_second() -> None:
    taken: list[float] = []

    def beats() -> Iterator[None]:
        while True:
            taken.append(time.monotonic())
            yield

    assert _python("import time; time.sleep(2.5)").run(beats()).return_code == 0
    assert len(taken) == 3
    assert 0.9 < taken[2] - taken[1] < 1.6


def test_a_beat_that_raises_ends_the_program_and_goes_through(tmp_path: Path) -> None:
    def beat(_: int) -> None:
        _pid_in(tmp_path / "pid")
        raise Cancelled(Text("Enough."))

    script = "import os, sys, time; open(sys.argv[1], 'w').write(f'{os.getpid()}\\n'); time.sleep(60)"
    with pytest.raises(Cancelled, match=r"Enough\."):
        _python(script, str(tmp_path / "pid")).run(map(beat, range(1)))
    assert not is_running(_pid_in(tmp_path / "pid"))


@pytest.mark.parametrize(
    ("line", "reason"),
    [("", "No command"), ("/not/there now", "/not/there cannot be started"), ("/etc/hosts", "cannot be started")],
)
def test_one_that_cannot_be_started_is_named(line: str, reason: str) -> None:
    with pytest.raises(OutsideError, match=reason) as caught:
        ShellCommand(line, URI).run()
    assert caught.value.permanent
    assert "s3cr" not in str(caught.value)


def test_a_quote_that_is_not_closed_is_refused_at_once() -> None:
    with pytest.raises(Refusal, match="quote"):
        ShellCommand("npm run 'migrate:up", URI)


def test_its_line_is_shown_as_configured() -> None:
    assert ShellCommand(" npm run 'migrate:up' ", URI).line == "npm run 'migrate:up'"
    assert ShellCommand("", URI).line == ""


def test_the_bots_own_environment_is_left_as_it_was() -> None:
    before = dict(os.environ)
    _python("pass").run()
    assert dict(os.environ) == before
