"""The shipped manifest: what it asks for, why, and nothing more than the bot needs."""

from __future__ import annotations

import re

import pytest

from bot.slack.chat import READS
from sandbox.slack.manifest import read_manifest
from sandbox.slack.server import LocalSlack
from sandbox.slack.web_api import Tokens
from tests.bot.slack.stage import MANIFEST, rig


def test_it_declares_its_commands_with_hints_over_socket_mode() -> None:
    manifest = read_manifest(MANIFEST)
    assert [each.command for each in manifest.commands] == [
        "/backup",
        "/restore",
        "/health",
        "/rotate",
        "/runbook",
        "/audit",
    ]
    assert all(each.usage_hint.startswith("[") and each.description for each in manifest.commands)
    assert (manifest.name, manifest.socket_mode, manifest.interactivity, manifest.home_tab) == (
        "Negahban", True, True, True,
    )  # fmt: skip
    assert manifest.bot_events == ("app_home_opened",)


def test_it_asks_for_nine_scopes_each_with_its_reason() -> None:
    manifest = read_manifest(MANIFEST)
    assert set(manifest.bot_scopes) == {
        "commands", "chat:write", "users:read", "channels:history", "groups:history", "im:history", "im:write",
        "files:write", "usergroups:read",
    }  # fmt: skip
    for scope in manifest.bot_scopes:
        assert re.search(rf"^ *- {scope} +# \S", MANIFEST.read_text(), re.MULTILINE), scope


@pytest.mark.parametrize("fault", ["500", "error:internal_error", "lost_answer"])
def test_the_first_connection_is_tried_until_it_works(fault: str) -> None:
    with LocalSlack(manifest=MANIFEST) as slack:
        slack.fault("apps.connections.open", fault)
        with rig(slack) as bot:
            assert bot.slack.person("U0SARA").command("C0OPS", "/backup") == {"ok": True}


def test_a_connection_with_a_wrong_token_keeps_trying_and_can_be_stopped(caplog: pytest.LogCaptureFixture) -> None:
    with LocalSlack(manifest=MANIFEST, tokens=Tokens.fresh()) as slack, rig(slack, socket=False) as bot:
        socket = bot.app.socket("xapp-wrong")
        socket.start()
        bot.slack.person("U0SARA").wait_for(lambda: "no Socket Mode connection yet" in caplog.text)
        assert socket.connected is False
        socket.stop()
        assert "xapp-wrong" not in caplog.text


def test_methods_that_read_no_json_are_sent_as_forms() -> None:
    assert {"conversations.history", "conversations.replies", "users.info"} <= READS
