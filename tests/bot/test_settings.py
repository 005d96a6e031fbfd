"""The settings: everything wrong is said at once, and no secret is repeated."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from bot.settings import SETTINGS, SettingsError, read

ROOT = Path(__file__).parents[2]
RECIPIENT, OTHER_RECIPIENT, IDENTITY = f"age1{'q' * 58}", f"age1{'p' * 58}", f"AGE-SECRET-KEY-1{'Q' * 58}"
GOOD = {
    "SLACK_BOT_TOKEN": "xoxb-1",
    "SLACK_APP_TOKEN": "xapp-1",
    "REDIS_URL": "redis://127.0.0.1:6379/0",
    "MONGODB_URI": "mongodb://someone:s3cret-word@127.0.0.1:27017/shop",
    "BACKUP_DIR": "/backups",
    "MASTER_KEY": base64.b64encode(b"k" * 32).decode(),
}


def problems(changes: dict[str, str], *, slack: bool = True) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        read({**GOOD, **changes}, slack=slack)
    return caught.value.problems


def test_good_settings_are_read_with_their_defaults() -> None:
    settings = read(GOOD, slack=True)
    assert settings.slack_mode == "socket"
    assert settings.http_port == 8080
    assert settings.master_key == b"k" * 32


def test_every_wrong_setting_is_named_at_once() -> None:
    wrong = {
        "SLACK_MODE": "carrier pigeon",
        "SLACK_BOT_TOKEN": "xoxp-1",
        "SLACK_APP_TOKEN": "no",
        "SLACK_API_URL": "ftp://slack",
        "REDIS_URL": "http://redis",
        "MONGODB_URI": "postgres://db/shop",
        "BACKUP_S3_URL": "https://bucket",
        "OPS_CHANNEL": "#ops",
        "HTTP_PORT": "99999",
        "MASTER_KEY": "c2hvcnQ=",
        "LOG_LEVEL": "LOUD",
        "LOG_FORMAT": "xml",
    }
    said = problems(wrong)
    assert {line.partition(":")[0] for line in said} >= wrong.keys()
    assert all("expected" in line for line in said)


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        read({}, slack=True)
    said = "\n".join(caught.value.problems)
    for name in ("SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "REDIS_URL", "MONGODB_URI", "MASTER_KEY", "BACKUP_DIR"):
        assert name in said


def test_slack_is_not_needed_where_it_is_not_asked() -> None:
    without = {name: value for name, value in GOOD.items() if not name.startswith("SLACK")}
    assert read(without, slack=False).slack_bot_token == ""


def test_slack_over_http_needs_the_signing_secret_and_no_app_token() -> None:
    assert any(line.startswith("SLACK_SIGNING_SECRET") for line in problems({"SLACK_MODE": "http"}))
    read({**GOOD, "SLACK_MODE": "http", "SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": "s"}, slack=True)


def test_no_value_of_a_secret_is_repeated() -> None:
    said = "\n".join(
        problems({"MASTER_KEY": "hunter2", "MONGODB_URI": "mongodb://a:s3cret-word@host/", "HTTP_PORT": "x"})
    )
    assert "hunter2" not in said
    assert "s3cret-word" not in said
    assert "s3cret-word" not in repr(read(GOOD, slack=True))


def test_a_uri_without_a_database_is_refused() -> None:
    assert any("database's name" in line for line in problems({"MONGODB_URI": "mongodb://127.0.0.1:27017"}))


@pytest.mark.parametrize("stores", [{"BACKUP_DIR": ""}, {"BACKUP_S3_URL": "s3://bucket/x"}])
def test_exactly_one_store_is_wanted(stores: dict[str, str]) -> None:
    assert any(line.startswith("BACKUP_DIR, BACKUP_S3_URL") for line in problems(stores))


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "uri"
    file.write_text("mongodb://127.0.0.1/other\n")
    given = {name: value for name, value in GOOD.items() if name != "MONGODB_URI"}
    assert read({**given, "MONGODB_URI_FILE": str(file)}, slack=True).mongodb_uri == "mongodb://127.0.0.1/other"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"x" * 70_000, b"two\nlines"])
def test_a_file_that_cannot_be_a_value_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "uri"
    file.write_bytes(content)
    given = {name: value for name, value in GOOD.items() if name != "MONGODB_URI"}
    with pytest.raises(SettingsError):
        read({**given, "MONGODB_URI_FILE": str(file)}, slack=True)


def test_a_missing_file_and_a_value_given_twice_are_refused(tmp_path: Path) -> None:
    assert any(
        "readable file" in line for line in problems({"MONGODB_URI": "", "MONGODB_URI_FILE": str(tmp_path / "no")})
    )
    assert any("not both" in line for line in problems({"MONGODB_URI_FILE": "/x"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BACKUP_ZSTD_LEVEL", "0"),
        ("BACKUP_ZSTD_LEVEL", "20"),
        ("BACKUP_ZSTD_LEVEL", "-3"),
        ("BACKUP_ZSTD_LEVEL", "٣"),
        ("BACKUP_ZSTD_THREADS", "65"),
        ("BACKUP_AGE_RECIPIENTS", "ssh-ed25519 AAAA"),
        ("BACKUP_AGE_RECIPIENTS", f"{RECIPIENT} age1"),
        ("BACKUP_AGE_IDENTITY", RECIPIENT),
        ("BACKUP_AGE_IDENTITY", f"{IDENTITY}X"),
    ],
)
def test_a_packing_that_cannot_be_is_refused_at_start(name: str, value: str) -> None:
    (line,) = problems({name: value})
    assert line.startswith(f"{name}: expected")
    assert IDENTITY not in line


def test_packing_has_its_defaults() -> None:
    settings = read(GOOD, slack=True)
    assert (settings.backup_zstd_level, settings.backup_zstd_threads) == (3, 2)
    assert (settings.backup_age_recipients, settings.backup_age_identity) == ((), ())


@pytest.mark.parametrize("between", [" ", ",", ", "])
def test_several_keys_stand_with_spaces_or_commas_between(between: str) -> None:
    given = {"BACKUP_AGE_RECIPIENTS": between.join([RECIPIENT, OTHER_RECIPIENT])}
    assert read({**GOOD, **given}, slack=True).backup_age_recipients == (RECIPIENT, OTHER_RECIPIENT)


def test_a_key_file_is_taken_as_age_keygen_writes_it(tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    file.write_text(f"# created: 2026-01-01T00:00:00Z\n# public key: {RECIPIENT}\n{IDENTITY}\n{IDENTITY}\n")
    settings = read({**GOOD, "BACKUP_AGE_IDENTITY_FILE": str(file)}, slack=True)
    assert settings.backup_age_identity == (IDENTITY, IDENTITY)
    assert IDENTITY not in repr(settings)


def test_the_example_file_names_every_setting_with_its_comment() -> None:
    lines = (ROOT / ".env.example").read_text().splitlines()[1:]
    assert lines == [
        line for setting in SETTINGS for line in (f"# {setting.comment}", f"{setting.name}={setting.default}")
    ]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("BACKUP_SCHEDULE", "every night", "a cron line of five fields, like `0 2 * * *`, or off"),
        ("BACKUP_SCHEDULE", "0 25 * * *", "a cron line of five fields, like `0 2 * * *` (bad hour), or off"),
        ("BACKUP_TIME_ZONE", "Tehran", "the name of a time zone, like Asia/Tehran or Europe/Berlin"),
        ("BACKUP_TIME_ZONE", "../../etc/passwd", "the name of a time zone, like Asia/Tehran or Europe/Berlin"),
        ("BACKUP_KEEP_DAILY", "6", "a whole number from 7 to 1000"),
        ("BACKUP_KEEP_WEEKLY", "3", "a whole number from 4 to 1000"),
        ("BACKUP_KEEP_MONTHLY", "-1", "a whole number from 0 to 1000"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_named_with_what_was_expected(name: str, value: str, expected: str) -> None:
    assert problems({name: value}) == [f"{name}: expected {expected}"]


def test_without_words_about_it_a_backup_is_made_every_night_and_off_makes_none() -> None:
    given = read(GOOD, slack=True)
    assert given.backup_schedule == "0 2 * * *"
    assert (given.backup_time_zone.key, given.backup_keep_daily, given.backup_keep_weekly) == ("UTC", 7, 4)
    assert read({**GOOD, "BACKUP_SCHEDULE": "off"}, slack=True).backup_schedule == ""
