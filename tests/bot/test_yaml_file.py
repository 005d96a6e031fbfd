"""YAML files: plain data only, and where something is wrong is said."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters import yaml_file
from handlers.core.words.errors import OutsideError, Refusal


def written(path: Path, content: bytes) -> Path:
    file = path / "routes.yaml"
    file.write_bytes(content)
    return file


def test_plain_data_is_read(tmp_path: Path) -> None:
    assert yaml_file.read(written(tmp_path, "routes:\n- match: {job: فروشگاه}\n".encode())) == {
        "routes": [{"match": {"job": "فروشگاه"}}]
    }


def test_an_alias_bomb_is_refused_with_its_line(tmp_path: Path) -> None:
    bomb = b"a: &a [x,x]\n" + b"".join(b"%c: &%c [*%c,*%c]\n" % (n, n, n - 1, n - 1) for n in range(98, 120))
    with pytest.raises(Refusal, match="line 2: aliases"):
        yaml_file.read(written(tmp_path, bomb))


@pytest.mark.parametrize(
    "tag", ["!!python/object/apply:os.getcwd []", "!!python/name:os.system", "!other x", "!!str x", "! x", "!!map {}"]
)
def test_a_tag_that_makes_an_object_is_refused_with_its_line(tmp_path: Path, tag: str) -> None:
    with pytest.raises(Refusal, match="line 2: tags are not read"):
        yaml_file.read(written(tmp_path, f"a: 1\nb: {tag}\n".encode()))


@pytest.mark.parametrize("content", [b"a: 1\nb: [1\n", b"a: 1\n\tb: 2\n", b"a: 1\nb: 2: 3\n"])
def test_what_is_no_yaml_is_refused_with_a_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Refusal, match=r"line [23]: "):
        yaml_file.read(written(tmp_path, content))


@pytest.mark.parametrize(
    "content",
    [b"\xff\n", b"\x00\n", b"[" * 100_000, b"\n".join(b" " * n + b"-" for n in range(60)), b"2026-13-45\n",
     b"!!int x\n", b"!!float x\n", b"\n  ? [a]\n  : b\n", b"!!binary '*'\n", b"!!timestamp x\n", b"!!bool x\n",
     b"9" * 5000, b"1" + b":1" * 5000, b"9" * 5000 + b".0"],
    ids=["latin", "nul", "deep", "deep-block", "no-date", "no-number", "no-float", "list-as-key", "no-base64",
         "no-time", "no-bool", "many-digits", "many-sixties", "long-float"],
)  # fmt: skip
def test_other_damage_is_refused_with_its_line_too(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(Refusal, match=r"routes\.yaml`?, line [2-9]: "):
        yaml_file.read(written(tmp_path, b"x: 1\na: " + content))


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("routes: []\nexamples: []\nroutes: [1]\n", "line 3: the key routes is there already, in line 1"),
        ("a:\n- b: 1\n  c: 2\n  b: 3\n", "line 4: the key b is there already, in line 2"),
        ("a: {b: 1, c: 2, b: 1}\n", "line 1: the key b"),
        ("a: 1\n'a': 2\n", "line 2: the key a"),
        ("1: a\n0x1: b\n", "line 2: the key 0x1"),
        ("<<: {a: 1}\n<<: {b: 1}\n", "line 2: the key <<"),
    ],
)
def test_a_key_that_is_there_twice_is_refused_with_both_lines(tmp_path: Path, content: str, where: str) -> None:
    with pytest.raises(Refusal, match=where):
        yaml_file.read(written(tmp_path, content.encode()))


def test_the_same_key_in_two_mappings_is_read(tmp_path: Path) -> None:
    assert yaml_file.read(written(tmp_path, b"- a: 1\n- a: {a: 2}\n")) == [{"a": 1}, {"a": {"a": 2}}]


def test_fifty_levels_are_read_and_one_more_is_refused(tmp_path: Path) -> None:
    yaml_file.read(written(tmp_path, b"[" * 50 + b"]" * 50))
    with pytest.raises(Refusal, match="50 levels deep"):
        yaml_file.read(written(tmp_path, b"[" * 51 + b"]" * 51))


@given(st.binary(max_size=60) | st.text("[]{}&*!<>:-?|'\"#%@`, \n\tab019.~_", max_size=60).map(str.encode))
def test_any_bytes_are_data_or_a_refusal(content: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(Refusal):
        yaml_file.read(written(Path(folder), content))


def test_a_file_too_large_is_refused(tmp_path: Path) -> None:
    most = yaml_file.MOST_BYTES
    assert yaml_file.read(written(tmp_path, b"a" * most)) == "a" * most
    with pytest.raises(Refusal, match="larger"):
        yaml_file.read(written(tmp_path, b"a" * (most + 1)))


def test_a_file_that_is_not_there_is_an_outside_error(tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match=r"routes\.yaml cannot be read"):
        yaml_file.read(tmp_path / "routes.yaml")
