"""`negahban init`: what it writes works, nothing is written over, and no secret is ever shown."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot import settings
from bot.installation import OVERRIDE
from bot.installing import Installing
from bot.settings import SETTINGS
from handlers.core.words.errors import Refusal

COMPOSE = Path(__file__).parents[2] / "deploy" / "compose"
BOT, APP, SIGNING = "xoxb-1-secret", "xapp-1-secret", "s1gn1ng-secret"
MONGO = "mongodb://bot:m0ng0-secret@db/shop?replicaSet=rs0"
SHOWN_TO_NOBODY = (BOT, APP, SIGNING, "m0ng0-secret")
PUBLIC = {"OPS_CHANNEL": "C0OPS", "ALERTS_CHANNEL": "C0ALERTS"}


def run(*words: str, typed: str = "") -> subprocess.CompletedProcess[str]:
    """As a script runs it: standard input is no terminal."""
    return subprocess.run(
        [sys.executable, "-m", "bot", *words], input=typed, capture_output=True, text=True, timeout=60, check=False,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
    )  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> list[str]:
    """Flags that name files with secrets."""
    flags = []
    for name, value in {"SLACK_BOT_TOKEN": BOT, "SLACK_APP_TOKEN": APP, "MONGODB_URI": MONGO}.items():
        (tmp_path / name).write_text(f"{value}\n")
        flags += ["--secret", f"{name}={tmp_path / name}"]
    return flags


@pytest.fixture
def beside_compose(tmp_path: Path) -> Path:
    """A folder as deploy/compose is shipped."""
    folder = tmp_path / "compose"
    folder.mkdir()
    (folder / "redis.acl.example").write_text((COMPOSE / "redis.acl.example").read_text())
    return folder


def shown(ran: subprocess.CompletedProcess[str]) -> str:
    said = ran.stdout + ran.stderr
    assert not [each for each in SHOWN_TO_NOBODY if each in said], said
    return said


def environment(path: Path) -> dict[str, str]:
    lines = path.read_text().splitlines()
    return dict(shlex.split(line)[0].split("=", 1) for line in lines)


def flags(given: dict[str, str]) -> list[str]:
    return [word for name, value in given.items() for word in ("--set", f"{name}={value}")]


def test_on_a_host_what_is_written_is_what_the_bot_reads(tmp_path: Path, kept: list[str]) -> None:
    folder, place = tmp_path / "here", {"BACKUP_DIR": str(tmp_path / "backups of shop")}
    ran = run("init", "--for", "host", "--directory", str(folder), "--no-check", *kept, *flags(PUBLIC | place))
    assert ran.returncode == 0, shown(ran)
    shown(ran)
    given = settings.read(environment(folder / "negahban.env"), slack=True)
    assert (given.slack_bot_token, given.mongodb_uri, given.ops_channel) == (BOT, MONGO, "C0OPS")
    assert given.backup_dir == place["BACKUP_DIR"]
    assert not [each for each in SHOWN_TO_NOBODY if each in (folder / "negahban.env").read_text()]
    sourced = subprocess.run(
        ["sh", "-ec", f"set -a; . {folder}/negahban.env; printf %s \"$BACKUP_DIR\""],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert sourced.stdout == place["BACKUP_DIR"]


def test_on_a_host_check_runs_with_what_was_written(tmp_path: Path, kept: list[str]) -> None:
    place = {"BACKUP_DIR": str(tmp_path / "backups")}
    (tmp_path / "redis").write_text("redis://127.0.0.1:9/0")
    (tmp_path / "MONGODB_URI").write_text("mongodb://127.0.0.1:9/shop?serverSelectionTimeoutMS=300")
    given = {**PUBLIC, **place, "SLACK_API_URL": "http://127.0.0.1:9/api/"}
    redis = ["--secret", f"REDIS_URL={tmp_path / 'redis'}"]
    ran = run("init", "--for", "host", "--directory", str(tmp_path / "here"), *kept, *redis, *flags(given))
    assert ran.returncode == 1
    assert "ok       settings" in shown(ran)
    assert re.search(r"^WRONG +Redis: ", ran.stdout, re.MULTILINE), ran.stdout


def test_secrets_are_files_that_only_those_who_need_them_read(beside_compose: Path, kept: list[str]) -> None:
    ran = run("init", "--for", "compose", "--directory", str(beside_compose), *kept, *flags(PUBLIC))
    assert ran.returncode == 0, shown(ran)
    shown(ran)
    folder = beside_compose / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    owners = {"redis_acl": 999, "grafana_password": 472}
    for each in folder.iterdir():
        wanted = 0o440 if each.name == "webhook_token" else 0o400
        assert stat.S_IMODE(each.stat().st_mode) == wanted, each.name
        if os.geteuid() == 0:
            owner = owners.get(each.name, 10001)
            assert (each.stat().st_uid, each.stat().st_gid) == (owner, owner)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_alertmanager_reads_its_token_by_the_group_and_no_other_secret(beside_compose: Path, kept: list[str]) -> None:
    ran = run("init", "--for", "compose", "--directory", str(beside_compose), *kept, *flags(PUBLIC))
    assert ran.returncode == 0, shown(ran)
    (group,) = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]["alertmanager"]["group_add"]
    readable = []
    for each in sorted((beside_compose / "secrets").iterdir()):
        with each.open("rb") as file:  # a container is given the file itself, whatever its folder allows
            again = f"/proc/self/fd/{file.fileno()}"
            asked = ["/bin/sh", "-c", f"cat {again} > /dev/null"]
            answer = subprocess.run(
                asked, pass_fds=[file.fileno()], user=65534, group=65534, extra_groups=[int(group)],
                capture_output=True, check=False,
            )  # fmt: skip
        readable += [each.name] if answer.returncode == 0 else []
    assert readable == ["webhook_token"]


@pytest.mark.parametrize("mode", ["socket", "http"])
def test_for_compose_what_is_written_fits_the_shipped_file(beside_compose: Path, kept: list[str], mode: str) -> None:
    signing = beside_compose.parent / "signing"
    signing.write_text(SIGNING)
    more = ["--secret", f"SLACK_SIGNING_SECRET={signing}", "--public-name", "bot.example.org"] if mode == "http" else []
    ran = run(
        "init", "--for", "compose", "--directory", str(beside_compose), *kept, *more,
        *flags(PUBLIC | {"SLACK_MODE": mode}),
    )  # fmt: skip
    assert ran.returncode == 0, shown(ran)
    shown(ran)
    shipped: dict[str, Any] = yaml.safe_load((COMPOSE / "compose.yaml").read_text())
    override: dict[str, Any] = yaml.safe_load((beside_compose / OVERRIDE).read_text())
    wanted = {each["file"] for each in (shipped["secrets"] | override.get("secrets", {})).values()}
    assert wanted == {f"./secrets/{each.name}" for each in (beside_compose / "secrets").iterdir()}
    given = environment(beside_compose / "negahban.env")
    mounted = shipped["services"]["serve"]["environment"] | (override["services"].get("serve") or {}).get(
        "environment", {}
    )
    for name, value in mounted.items():
        given[name] = value.replace("/run/secrets/", f"{beside_compose}/secrets/")
    read = settings.read(given, slack=True)
    assert (read.slack_mode, read.backup_dir) == (mode, "/backups")
    assert read.redis_url.startswith("redis://negahban:")
    acl = (beside_compose / "secrets" / "redis_acl").read_text()
    assert read.redis_url.removeprefix("redis://negahban:").partition("@")[0] in acl
    assert "CHANGE-ME" not in acl
    compose = environment(beside_compose / ".env")
    assert compose["NEGAHBAN_HOST"] == ("bot.example.org" if mode == "http" else "localhost")


@pytest.mark.parametrize("there", ["negahban.env", "secrets/master_key", ".env"])
def test_a_file_that_is_there_is_not_written_over_and_then_nothing_is_written(
    beside_compose: Path, kept: list[str], there: str
) -> None:
    (beside_compose / "secrets").mkdir()
    (beside_compose / there).write_text("mine")
    before = {str(each) for each in beside_compose.rglob("*")}
    ran = run("init", "--for", "compose", "--directory", str(beside_compose), *kept, *flags(PUBLIC))
    assert ran.returncode == 1
    assert there in shown(ran)
    assert (beside_compose / there).read_text() == "mine"
    assert {str(each) for each in beside_compose.rglob("*")} == before


def test_without_anybody_to_ask_what_is_missing_is_said(beside_compose: Path, kept: list[str]) -> None:
    ran = run("init", "--for", "compose", "--directory", str(beside_compose), *kept)
    assert ran.returncode == 1
    assert "OPS_CHANNEL is missing" in shown(ran).replace("`", "")
    assert [each.name for each in beside_compose.iterdir()] == ["redis.acl.example"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", f"SLACK_BOT_TOKEN={BOT}"], "is a secret"),
        (["--set", "BACKUP_SCHEDUEL=off"], "no setting"),
        (["--set", "BACKUP_TIME_ZONE=Mars/Base"], "expected"),
        (["--secret", "MONGODB_URI=/nowhere"], "cannot be read"),
        (["--public-name", "a b"], "public name"),
    ],
    ids=["a secret among the words", "a misprint", "no time zone", "no file", "no name"],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(
    beside_compose: Path, kept: list[str], words: list[str], said: str
) -> None:
    ran = run("init", "--for", "compose", "--directory", str(beside_compose), *kept, *flags(PUBLIC), *words)
    assert ran.returncode == 1
    assert said in shown(ran)
    assert [each.name for each in beside_compose.iterdir()] == ["redis.acl.example"]


def test_a_person_is_asked_again_until_the_answer_can_be(beside_compose: Path) -> None:
    asked, secretly = list[str](), list[str]()
    answers = iter(["socket", "C0OPS", "C0ALERTS", "Mars/Base", ""])
    secrets = iter([BOT, "not an address", MONGO, APP])

    def ask(question: str) -> str:
        asked.append(question)
        return next(answers)

    def ask_secretly(question: str) -> str:
        secretly.append(question.partition(":")[0])
        return next(secrets)

    with (beside_compose / "said").open("w") as out:
        installing = Installing(
            {each.name: each for each in SETTINGS}, asks=True, out=out, ask=ask, ask_secretly=ask_secretly
        )
        installing.install("compose", "", beside_compose, os.urandom)
    assert secretly == ["SLACK_BOT_TOKEN", "MONGODB_URI", "MONGODB_URI", "SLACK_APP_TOKEN"]
    assert environment(beside_compose / "negahban.env")["BACKUP_TIME_ZONE"] == "UTC"
    assert "not an address" not in (beside_compose / "said").read_text()


def test_a_folder_that_is_not_the_shipped_one_is_refused_for_compose(tmp_path: Path) -> None:
    installing = Installing({each.name: each for each in SETTINGS}, asks=False)
    installing.settings |= {"SLACK_MODE": "socket", "BACKUP_TIME_ZONE": "UTC", **PUBLIC}
    installing.secrets |= {"SLACK_BOT_TOKEN": BOT, "SLACK_APP_TOKEN": APP, "MONGODB_URI": MONGO}
    with pytest.raises(Refusal, match="not deploy/compose"):
        installing.install("compose", "", tmp_path, os.urandom)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ba", {"backup", "backups"}),
        ("audit v", {"verify"}),
        ("init --se", {"--set", "--secret"}),
        ("health --f", {"--format"}),
    ],
    ids=["a command", "a choice", "options", "an option"],
)
def test_bash_completes_commands_options_and_choices(typed: str, offered: set[str]) -> None:
    words = ["negahban", *typed.split(" ")]
    array = " ".join(shlex.quote(word) for word in words)
    script = f'eval "$1"; COMP_WORDS=({array}); COMP_CWORD={len(words) - 1}; _negahban; echo "${{COMPREPLY[@]}}"'
    made = run("completion", "bash")
    answer = subprocess.run(
        ["bash", "-c", script, "bash", made.stdout], capture_output=True, text=True, timeout=20, check=True
    )
    assert set(answer.stdout.split()) == offered
