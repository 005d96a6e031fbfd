"""The command line, for the day Slack is down: the same desk, the same gate, the same record."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.demo import shop
from sandbox.demo.stage import Stage
from sandbox.servers.bot import Bot
from tests.conftest import needs

pytestmark = [pytest.mark.timeout(180), pytest.mark.xdist_group("terminal")]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    for part in ("mongod", "redis-server", "mongodump", "mongorestore"):
        needs(part)
    with Stage() as built:
        yield built


def run(
    stage: Stage, *words: str, typed: str = "", more: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """One command, without a terminal, so that a code is read from standard input."""
    environment = {**Bot(stage.given).environment(), **(more or {})}
    return subprocess.run(
        [sys.executable, "-m", "bot", *words],
        input=typed,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        start_new_session=True,
    )


def test_a_backup_is_made_listed_verified_and_restored_without_slack(stage: Stage) -> None:
    stage.slack.stop()
    made = run(stage, "backup")
    assert made.returncode == 0, made.stdout + made.stderr
    assert "is kept" in made.stdout
    before = shop.picture(stage.uri)
    listed = run(stage, "backups")
    assert listed.returncode == 0
    assert "by hand" in listed.stdout
    verified = run(stage, "verify", "latest")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert "SHA-256 fits" in verified.stdout
    drilled = run(stage, "drill")
    assert drilled.returncode == 0, drilled.stdout + drilled.stderr
    assert "It can be restored" in drilled.stdout
    shop.live_on(stage.uri)
    wrong = run(stage, "restore", "latest", "--as", "U0SARA", typed="000000\n000000\n000000\n")
    assert wrong.returncode == 1
    assert shop.picture(stage.uri) != before
    code = stage.fresh_code("U0SARA")
    restored = run(stage, "restore", "latest", "--as", "U0SARA", typed=f"{code}\n")
    assert restored.returncode == 0, restored.stdout + restored.stderr
    assert shop.picture(stage.uri) == before
    record = (Path(stage.given["BACKUP_DIR"]) / "audit.jsonl").read_text()
    assert code not in record
    assert stage.keys["U0SARA"] not in record + restored.stdout + restored.stderr


def test_who_is_not_enrolled_cannot_restore_from_the_terminal_either(stage: Stage) -> None:
    run(stage, "backup")
    refused = run(stage, "restore", "latest", "--as", "U0OMID", typed="123456\n")
    assert refused.returncode == 1
    assert "enroll U0OMID" in refused.stdout


def test_the_audit_record_is_verified_and_a_changed_one_is_found(stage: Stage, tmp_path: Path) -> None:
    run(stage, "backup")
    clean = run(stage, "audit", "verify")
    assert clean.returncode == 0, clean.stdout + clean.stderr
    lines = (Path(stage.given["BACKUP_DIR"]) / "audit.jsonl").read_bytes().splitlines(keepends=True)
    copy = tmp_path / "audit.jsonl"
    copy.write_bytes(
        b"".join(lines).replace(b"U0SARA", b"U0OMID", 1) if b"U0SARA" in b"".join(lines) else b"".join(lines[1:])
    )
    assert run(stage, "audit", "verify", str(copy)).returncode == 1
    copy.write_bytes(b"".join(lines)[:-5])
    assert run(stage, "audit", "verify", str(copy)).returncode == 2


def test_the_running_bot_seals_its_record_and_a_stranger_with_its_public_key_verifies_it(stage: Stage) -> None:
    run(stage, "backup")
    folder = Path(stage.given["BACKUP_DIR"])
    deadline = time.monotonic() + 90
    while not list(folder.glob("audit/*/*.jsonl")):
        assert time.monotonic() < deadline, "nothing was copied"
        time.sleep(0.5)
    key = run(stage, "audit", "key").stdout.strip()
    [copies] = folder.glob("audit/*")
    command = [sys.executable, "-I", "docs/verify_audit.py", str(folder / "audit.jsonl"), "--key", key]
    done = subprocess.run([*command, "--copies", str(copies)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"with {key}, which you trust" in done.stdout
    verified = run(stage, "audit", "verify")
    assert "a copy elsewhere for" in verified.stdout


def test_a_check_names_what_cannot_be_reached(stage: Stage) -> None:
    offline = run(stage, "check", "--offline")
    assert offline.returncode == 0, offline.stdout
    wrong = run(stage, "check", more={"REDIS_URL": "redis://127.0.0.1:1/0"})
    assert wrong.returncode == 1
    assert "WRONG    Redis" in wrong.stdout
    assert "ok       MongoDB" in wrong.stdout


BROKEN = {
    "bomb": "title: &a [x, x]\nsteps: [*a, *a, *a]\n",
    "tagged": "title: Tagged\nsteps:\n  - !!python/object/apply:os.system [id]\n",
    "unknown": "title: Unknown\nsteps:\n  - {name: a, kind: shell, title: A}\n",
    "good": "title: Good\nsteps:\n  - {name: a, kind: http, title: A}\n",
    "program": "title: Program\nsteps:\n  - {name: a, kind: command, title: A, with: {program: tail, lines: -n}}\n",
}


def test_a_check_without_the_network_tells_what_is_wrong_in_each_runbook_and_where(
    stage: Stage, tmp_path: Path
) -> None:
    for name, content in BROKEN.items():
        (tmp_path / f"{name}.yaml").write_text(content)
    programs = tmp_path / "programs.yml"
    programs.write_text(
        "tail:\n  run: [/usr/bin/tail, '-n', '${lines}', /var/log/shop.log]\n  arguments: {lines: whole}\n"
    )
    more = {"RUNBOOKS_DIR": str(tmp_path), "RUNBOOK_PROGRAMS": str(programs), "REDIS_URL": "redis://127.0.0.1:1/0"}
    checked = run(stage, "check", "--offline", more=more)
    assert checked.returncode == 1, checked.stdout
    (line,) = [each for each in checked.stdout.splitlines() if "runbooks" in each]
    assert line.startswith("WRONG    runbooks: ")
    for said in (
        "bomb: bomb.yaml, line 2: aliases are not read",
        "tagged: tagged.yaml, line 3: tags are not read",
        "unknown: step 1 (a): kind: expected one of manual",
        "program: step 1 (a): with lines: expected a whole number",
    ):
        assert said in line
    assert "good" not in line


def test_a_check_tries_the_examples_of_the_routes(stage: Stage, tmp_path: Path) -> None:
    """The shipped file is right, and one of its examples wrong."""
    shipped, changed = Path("deploy/alerts-routes.example.yaml"), tmp_path / "routes.yaml"
    changed.write_text(
        shipped.read_text().replace("channel: C0QUIET0001\n  - labels", "channel: C0LOUD00001\n  - labels")
    )
    told = {"ALERTS_CHANNEL": "C0000000000"}
    assert "ok       alerts" in run(stage, "check", more={**told, "ALERTS_ROUTES": str(shipped)}).stdout
    wrong = run(stage, "check", more={**told, "ALERTS_ROUTES": str(changed)})
    assert wrong.returncode == 1
    assert "example 2: goes to C0QUIET0001, not C0LOUD00001" in wrong.stdout


def test_wrong_settings_are_all_named_and_nothing_starts(stage: Stage) -> None:
    answer = run(stage, "run", more={"MASTER_KEY": "short", "HTTP_PORT": "eighty"})
    assert answer.returncode == 2
    assert "MASTER_KEY" in answer.stderr
    assert "HTTP_PORT" in answer.stderr


def test_codes_that_do_not_follow_each_other_enrol_nobody(stage: Stage) -> None:
    answer = run(stage, "enroll", "U0LEILA", typed="111111\n222222\n")
    assert answer.returncode == 1
    run(stage, "backup")
    refused = run(stage, "restore", "latest", "--as", "U0LEILA", typed="111111\n")
    assert "enroll U0LEILA" in refused.stdout
