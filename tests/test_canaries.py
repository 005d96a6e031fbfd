"""The instrument of the canary test: a leak that is planted is found, in each of the places and in each spelling."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.canaries import Aviary, Canary, Leak, Watch, files_below

SECRET = Canary("the password", "c4n4ry/+secret=word&more")
CODE = Canary("the code", "483920")
AVIARY = Aviary([SECRET, CODE])


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET.value,
        f"mongodb://root:{quote(SECRET.value, safe='')}@host",
        SECRET.value.encode().hex(),
        *(base64.b64encode(b"x" * shift + SECRET.value.encode() + b"tail").decode() for shift in range(6)),
        f'Traceback …\n    uri = "{SECRET.value}"',
    ],
)
def test_a_secret_is_found_however_it_is_spelled(spelled: str) -> None:
    assert AVIARY.found_in({"somewhere": f"before {spelled} after".encode()}) == [Leak("the password", "somewhere")]


@pytest.mark.parametrize("spelled", ["code 483920", '{"value": "483920"}', "(483920)", "/restore 483920\n", "=483920&"])
def test_a_code_is_found_as_a_word(spelled: str) -> None:
    assert AVIARY.found_in({"somewhere": spelled.encode()}) == [Leak("the code", "somewhere")]


@pytest.mark.parametrize("spelled", ["1732483920", "0.483920", "a483920b", "483920ab", '"size":483920'])
def test_digits_inside_of_something_else_are_no_code(spelled: str) -> None:
    assert AVIARY.found_in({"somewhere": spelled.encode()}) == []


def test_what_is_not_there_is_not_found() -> None:
    assert AVIARY.found_in({"somewhere": b"c4n4ry and secret and word"}) == []


SLEEPER = "import sys, time; print('here', flush=True); time.sleep(60)"


def parent_of(child: list[str], more: dict[str, str]) -> str:
    """A program whose child has these arguments and variables."""
    return (
        "import subprocess, sys, json\n"
        f"env = {{'PATH': '/usr/bin', **json.loads({json.dumps(more)!r})}}\n"
        f"subprocess.run(json.loads({json.dumps(child)!r}), env=env)"
    )


@pytest.mark.parametrize("where", ["arguments", "environment"])
def test_a_leak_in_a_childs_arguments_or_environment_is_found(tmp_path: Path, where: str) -> None:
    arguments = [f"--password={SECRET.value}"] if where == "arguments" else []
    more = {"PASSWORD": SECRET.value} if where == "environment" else {}
    program = parent_of([sys.executable, "-c", SLEEPER, *arguments], more)
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        try:
            with Watch(parent.pid, tmp_path) as watch:
                assert parent.stdout is not None
                parent.stdout.readline()
                watch.sample()
            found = AVIARY.found_in(watch.places())
            assert [each.canary for each in found] == ["the password"]
            assert found[0].place.startswith("the command line" if where == "arguments" else "the environment")
            allowed = AVIARY.found_in(watch.places(but=[(b"time.sleep", b"PASSWORD")]))
            assert bool(allowed) is (where == "arguments")
        finally:
            import psutil

            for child in psutil.Process(parent.pid).children(recursive=True):
                child.kill()


def test_a_leak_in_a_temporary_file_that_lives_for_a_moment_is_found(tmp_path: Path) -> None:
    with Watch(os.getpid(), tmp_path) as watch:
        (tmp_path / "deep").mkdir()
        file = tmp_path / "deep" / "config.yaml"
        file.write_text(f"password: {SECRET.value}")
        deadline = time.monotonic() + 10
        while not watch.files and time.monotonic() < deadline:
            time.sleep(0.01)
        file.unlink()
    assert AVIARY.found_in(watch.places()) == [Leak("the password", "the temporary file deep/config.yaml")]


def test_files_of_folders_are_all_read(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"1")
    (tmp_path / "c").write_bytes(b"2")
    assert files_below(tmp_path) == {"a/b": b"1", "c": b"2"}
