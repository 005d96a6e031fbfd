"""What the app may do is what its manifest says."""

from __future__ import annotations

from pathlib import Path

import pytest
from slack_sdk.errors import SlackApiError

from sandbox.slack.manifest import read_manifest
from sandbox.slack.server import LocalSlack
from tests.sandbox.bolt_app import connected, new_app, web_client

MANIFEST = """
display_information:
  name: negahban
features:
  app_home:
    home_tab_enabled: false
  slash_commands:
    - command: /only
      description: The one command
oauth_config:
  scopes:
    bot: [chat:write, commands]
settings:
  socket_mode_enabled: true
  interactivity:
    is_enabled: true
"""


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.yaml"
    path.write_text(MANIFEST, encoding="utf-8")
    return path


def test_a_scope_that_is_not_in_the_manifest_is_missing(manifest: Path) -> None:
    with LocalSlack(manifest=manifest) as slack:
        client = web_client(slack)
        client.chat_postMessage(channel="C0OPS", text="t")
        with pytest.raises(SlackApiError) as refusal:
            client.users_info(user="U0SARA")
    answer = refusal.value.response
    assert answer["error"] == "missing_scope"
    assert (answer["needed"], answer["provided"]) == ("users:read", "chat:write,commands")


def test_writing_where_the_app_is_no_member_takes_the_public_scope(manifest: Path) -> None:
    manifest.write_text(MANIFEST.replace("chat:write,", "chat:write, chat:write.public,"), encoding="utf-8")
    with LocalSlack(manifest=manifest) as slack:
        assert web_client(slack).chat_postMessage(channel="C0RANDOM", text="t")["ok"]


def test_a_name_of_its_own_takes_the_customize_scope(manifest: Path) -> None:
    with LocalSlack(manifest=manifest) as slack, pytest.raises(SlackApiError) as refusal:
        web_client(slack).chat_postMessage(channel="C0OPS", text="t", username="Boss")
    assert refusal.value.response["needed"] == "chat:write.customize"


def test_only_the_manifests_commands_exist(manifest: Path) -> None:
    with LocalSlack(manifest=manifest) as slack:
        app = new_app(slack)
        app.command("/only")(lambda ack: ack("here"))
        with connected(slack, app):
            sara = slack.person("U0SARA")
            assert [each["command"] for each in sara.state()["commands"]] == ["/only"]
            assert sara.command("C0OPS", "/only") == {"ok": True}
            assert sara.command("C0OPS", "/backup now")["error"] == "unknown_command"
        assert "not a valid command" in sara.messages("C0OPS")[-1]["text"]


def test_a_home_tab_must_be_enabled(manifest: Path) -> None:
    with LocalSlack(manifest=manifest) as slack, pytest.raises(SlackApiError) as refusal:
        web_client(slack).views_publish(user_id="U0SARA", view={"type": "home", "blocks": []})
    assert refusal.value.response["error"] == "not_enabled"


def test_a_manifest_that_is_no_mapping_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "m.yaml"
    path.write_text("- a list", encoding="utf-8")
    with pytest.raises(ValueError, match="mapping"):
        read_manifest(path)
