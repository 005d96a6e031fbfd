"""The languages: complete, true to their English, and spoken to the right people."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot import languages
from bot.slack.speech import Speech
from handlers.core.restores.restore_plans import named
from handlers.core.words.tongues import ENGLISH
from tests import words

PERSIAN = languages.WORDS / "fa.po"
FIELD = re.compile(r"\{[a-z][a-z0-9_]*\}")
CODE = re.compile(r"`[^`]*`")
ADDRESS = re.compile(
    r"[a-z0-9+]+://\S+|--\w+ \w+=\w+|--for \w+|--secret|"
    r"[?&]\w+=[\w-]+|\w+=\"\w+\"|docs/\w+\.md|=yes|\d{4}-\d\d-\d\d|s3:\w+|/[a-z]+"
)
SETTING = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
# What is called the same in every language.
NAMES = frozenset(
    """Cluster FILE Sentinel bot.example.org deploy min-replicas-to-write
    AWS Electron IAM Kubernetes Manager Node RSA Secrets nonce object-src revisionHistoryLimit strict-dynamic
    Alertmanager CI Content-Security-Policy HTTP HTTPS JSON MongoDB Database Tools NAME Object Lock PATH Prometheus
    QR REST Redis S3 SCRAM-SHA-256 SHA-256 Slack Snyk Strict-Transport-Security TLS U0123456789 UTC Vault
    X-Frame-Options XX age age1 AGE-SECRET-KEY-1 appendonly audit authorization frame-ancestors getCmdLineOpts inprog
    local.oplog.rs max_alerts maxmemory-policy mongod mongodump mongos noeviction none nosniff npm oplog view viewUser
    webhook clusterMonitor preflight WiredTiger HSTS S5 S6 S7 env p95 vault yml""".split()  # noqa: SIM905
)
LATIN = re.compile(r"[A-Za-z][A-Za-z0-9_.-]*(?<![.-])")


def pairs() -> Iterator[tuple[str, str]]:
    yield from languages.read(PERSIAN).items()


def test_every_word_of_the_bot_is_said_in_persian_and_none_besides() -> None:
    known, wanted = set(languages.read(PERSIAN)), set(words.templates())
    assert sorted(wanted - known) == [], "run `make words` and fill in what it names"
    assert sorted(known - wanted) == []


def test_a_translation_has_the_same_values_commands_and_edges() -> None:
    for english, persian in pairs():
        assert set(FIELD.findall(english)) == set(FIELD.findall(persian)), english
        assert sorted(CODE.findall(english)) == sorted(CODE.findall(persian)), english
        assert english[:1].isspace() == persian[:1].isspace(), english
        assert english[-1:].isspace() == persian[-1:].isspace(), english


def test_a_translation_has_latin_letters_in_names_only() -> None:
    for english, persian in pairs():
        said = persian
        for known in (CODE, FIELD, ADDRESS, SETTING):
            said = known.sub(" ", said)
        assert set(LATIN.findall(said)) <= NAMES, english


def test_a_translation_formats_nothing_and_steers_no_direction() -> None:
    for english, persian in pairs():
        assert not set(persian) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"), english
        for mark in "*_~<>":
            assert FIELD.sub("", persian).count(mark) <= FIELD.sub("", english).count(mark), english
        assert not set(persian) & set("يكى"), english  # the Arabic letters that look like the Persian ones


def test_numbers_and_punctuation_are_persian() -> None:
    for english, persian in pairs():
        said = persian
        for known in (CODE, FIELD, ADDRESS, SETTING, LATIN):
            said = known.sub("", said)
        assert not re.search(r"[0-9,;?]", said.replace("✗ نیست، ? ", "").removeprefix("? ")), english


def test_gettext_finds_nothing_wrong_with_the_file(tmp_path: Path) -> None:
    if shutil.which("msgfmt") is None:
        pytest.skip("gettext is not installed")
    done = subprocess.run(
        ["msgfmt", "--check-format", "--check-header", "-o", str(tmp_path / "fa.mo"), str(PERSIAN)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", ["msgid hello", "hello", 'msgid "a\nmsgstr "b"', 'other "a"'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "xx.po"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"xx\.po:"):
        languages.read(path)


def test_a_sentence_over_several_lines_is_one_and_an_empty_one_is_none(tmp_path: Path) -> None:
    path = tmp_path / "xx.po"
    path.write_text('# head\nmsgid ""\nmsgstr "x"\n\nmsgid "a "\n"b"\nmsgstr ""\n"c\\n"\n"d"\nmsgid "e"\nmsgstr ""\n')
    assert languages.read(path) == {"a b": "c\nd"}


def test_a_template_that_is_not_written_down_is_found(tmp_path: Path) -> None:
    (tmp_path / "bot").mkdir()
    (tmp_path / "handlers").mkdir()
    (tmp_path / "bot" / "one.py").write_text('Text("Done.")\nText(said)\n')
    with pytest.raises(ValueError, match=r"bot/one.py:2"):
        words.templates(tmp_path)


@pytest.mark.parametrize(
    ("setting", "usual", "named"),
    [
        ("en", "en", {}),
        ("", "en", {}),
        ("fa", "fa", {}),
        ("fa C0123456789=en U0123456789=fa", "fa", {"C0123456789": "en", "U0123456789": "fa"}),
    ],
)
def test_the_setting_names_a_language_and_exceptions(setting: str, usual: str, named: dict[str, str]) -> None:
    assert languages.chosen(setting) == (usual, named)


@pytest.mark.parametrize("setting", ["de", "fa C0123=de", "fa general=en", "C0123=fa", "en,fa"])
def test_a_setting_of_another_shape_says_what_is_expected(setting: str) -> None:
    with pytest.raises(ValueError, match="en or fa"):
        languages.chosen(setting)


@pytest.mark.parametrize(
    ("locale", "code"), [("fa_IR.UTF-8", "fa"), ("fa", "fa"), ("C.UTF-8", "en"), ("", "en"), ("fatal", "en")]
)
def test_the_terminal_speaks_english_when_it_is_unsure(locale: str, code: str) -> None:
    assert languages.of_locale(locale).code == code


class Locales:
    """What Slack says about two people; `asked`: who was asked about."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def locale(self, user_id: str, *, ask: bool = True) -> str:
        if ask:
            self.asked.append(user_id)
        return {"ULEILA": "fa-IR", "UADA": "en-US"}.get(user_id, "")


def speech(setting: str) -> tuple[Speech, Locales]:
    locales = Locales()
    usual, named = languages.chosen(setting)
    return Speech(languages.tongues(), named, usual, locales), locales


@pytest.mark.parametrize(
    ("setting", "person", "channel", "code"),
    [
        ("en", "ULEILA", "C001", "fa"),
        ("en", "UADA", "C001", "en"),
        ("fa", "UADA", "C001", "fa"),
        ("fa C001=en", "UADA", "C001", "en"),
        ("fa UADA=en", "UADA", "C001", "en"),
        ("en ULEILA=en", "ULEILA", "C001", "en"),
        ("fa", "UNEW", "", "fa"),
    ],
)
def test_a_person_is_spoken_to_as_named_then_by_locale_then_as_the_channel(
    setting: str, person: str, channel: str, code: str
) -> None:
    assert speech(setting)[0].of_person(person, channel).code == code


def test_a_shared_card_is_in_the_language_of_its_channel_whoever_asked() -> None:
    spoken, locales = speech("en C001=fa")
    assert (spoken.of_posting("C001", "").code, spoken.of_posting("C002", "").code) == ("fa", "en")
    assert spoken.of_posting("D001", "ULEILA").code == "fa"
    assert locales.asked == ["ULEILA"]


def test_slack_is_not_asked_where_it_waits_for_an_ack() -> None:
    spoken, locales = speech("en")
    spoken.of_person("ULEILA", ask=False)
    assert locales.asked == []


def test_a_language_that_is_not_known_is_english() -> None:
    assert languages.tongue("xx") is ENGLISH


def test_names_that_were_left_out_of_a_plan_are_counted_in_persian() -> None:
    told = str(languages.tongue("fa").said(named([f"a{number}" for number in range(12)])))
    assert "more" not in told
    assert told.translate(dict.fromkeys(map(ord, "\u2068\u2069"))).endswith("a9 و ۲ تای دیگر")
    assert "دیگر" not in str(languages.tongue("fa").said(named(["a0"])))
