"""The token in the file, as the checklist looks at it, against a Slack that knows its tokens."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.slack.tokens import SlackTokens
from handlers.core.runbooks.probes import ChatToken
from handlers.core.words.errors import OutsideError
from sandbox.slack.server import LocalSlack

FORMER = "xoxb-the-former-one-CANARY"


def look(slack: LocalSlack, path: Path | None, stored: str, used: str) -> ChatToken:
    if path is not None:
        path.write_text(f"{stored}\n")
    return SlackTokens(used, "" if path is None else str(path), slack.api_url).look()


def test_without_a_file_nothing_is_known(slack: LocalSlack) -> None:
    assert look(slack, None, "", slack.bot_token) == ChatToken(stored=False)


def test_the_token_in_use_is_told_from_another_one(slack: LocalSlack, tmp_path: Path) -> None:
    assert look(slack, tmp_path / "token", slack.bot_token, slack.bot_token) == ChatToken(stored=True)


def test_a_token_that_slack_does_not_let_in_is_said_with_slacks_own_word_and_without_the_token(
    slack: LocalSlack, tmp_path: Path
) -> None:
    found = look(slack, tmp_path / "token", FORMER, slack.bot_token)
    assert (found.stored, found.changed) == (True, True)
    assert "invalid_auth" in found.why
    assert FORMER not in repr(found)


def test_a_file_that_is_not_there_is_not_judged(slack: LocalSlack, tmp_path: Path) -> None:
    with pytest.raises(OutsideError, match="cannot be read"):
        SlackTokens(slack.bot_token, str(tmp_path / "none"), slack.api_url).look()
