"""The Web API as slack_sdk's client meets it."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator

import pytest
from slack_sdk import WebClient

from sandbox.slack.seed import DEFAULT_SEED, Seed, SeedChannel
from sandbox.slack.server import LocalSlack
from tests.sandbox.bolt_app import JSON, actions, button, error_of, web_client

SEED = Seed(
    team_id="T0LOCAL",
    team_name="Shop",
    team_domain="shop",
    app_id="A0LOCAL",
    bot_id="B0BOT",
    bot_user_id="U0BOT",
    users=DEFAULT_SEED.users,
    channels=(
        *DEFAULT_SEED.channels,
        SeedChannel("C0OLD", "old", ("U0BOT",), is_archived=True),
        SeedChannel("C0HIDDEN", "hidden", ("U0SARA",), is_private=True),
    ),
    usergroups=DEFAULT_SEED.usergroups,
)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalSlack]:
    with LocalSlack(SEED, rate_limits=False) as running:
        yield running


@pytest.fixture
def slack(server: LocalSlack) -> LocalSlack:
    server.reset()
    return server


@pytest.fixture
def client(slack: LocalSlack) -> WebClient:
    return web_client(slack)


def test_auth_test_says_who_the_app_is_and_which_scopes_it_has(client: WebClient) -> None:
    answer = client.auth_test()
    assert (answer["team_id"], answer["user_id"], answer["bot_id"]) == ("T0LOCAL", "U0BOT", "B0BOT")
    assert "chat:write" in str(answer.headers["x-oauth-scopes"]).split(",")


def test_a_call_needs_the_right_token(slack: LocalSlack) -> None:
    assert error_of(lambda: web_client(slack, "xoxb-wrong").auth_test()) == "invalid_auth"
    assert error_of(lambda: web_client(slack, slack.app_token).auth_test()) == "not_allowed_token_type"
    bot = web_client(slack)
    assert error_of(lambda: bot.apps_connections_open(app_token=slack.bot_token)) == "not_allowed_token_type"
    with urllib.request.urlopen(slack.api_url + "auth.test", data=b"", timeout=5) as answer:
        assert json.load(answer) == {"ok": False, "error": "not_authed"}


def test_a_token_in_a_json_body_does_not_count_but_in_a_form_it_does(slack: LocalSlack) -> None:
    body = json.dumps({"token": slack.bot_token}).encode()
    as_json = urllib.request.Request(
        slack.api_url + "auth.test", body, {"Content-Type": "application/json; charset=utf-8"}
    )
    with urllib.request.urlopen(as_json, timeout=5) as answer:
        assert json.load(answer)["error"] == "not_authed"
    form = f"token={slack.bot_token}".encode()
    with urllib.request.urlopen(slack.api_url + "auth.test", form, timeout=5) as answer:
        assert json.load(answer)["ok"] is True


def test_a_method_that_does_not_exist_is_named_so(client: WebClient) -> None:
    assert error_of(lambda: client.api_call("chat.shout")) == "unknown_method"


def test_where_the_app_may_post(client: WebClient) -> None:
    def post(channel: str) -> str:
        return error_of(lambda: client.chat_postMessage(channel=channel, text="t"))

    assert post("C0RANDOM") == "not_in_channel"
    assert post("C0NOWHERE") == "channel_not_found"
    assert post("C0HIDDEN") == "channel_not_found"
    assert post("C0OLD") == "is_archived"
    assert error_of(lambda: client.api_call("chat.postMessage", params={"text": "t"})) == "invalid_arguments"
    assert client.chat_postMessage(channel="#ops", text="by name")["channel"] == "C0OPS"
    assert client.chat_postMessage(channel="U0SARA", text="direct")["channel"] == "D00SARA"


def test_a_form_and_a_json_body_post_the_same_message(client: WebClient) -> None:
    blocks = actions(button("b"))
    as_json = client.chat_postMessage(channel="C0OPS", text="t", blocks=blocks)
    as_form = client.api_call(
        "chat.postMessage", params={"channel": "C0OPS", "text": "t", "blocks": json.dumps(blocks)}
    )
    assert as_json["message"]["blocks"] == as_form["message"]["blocks"]
    assert as_json["message"]["blocks"][0]["elements"][0]["text"]["emoji"] is True


def test_an_edit_changes_own_messages_only(slack: LocalSlack, client: WebClient) -> None:
    own = client.chat_postMessage(channel="C0OPS", text="t", blocks=actions(button("b")))
    edited = client.chat_update(channel="C0OPS", ts=own["ts"], text="new")
    assert edited["message"]["text"] == "new"
    assert "blocks" not in edited["message"], "text without blocks removes the blocks"
    assert edited["message"]["edited"]["user"] == "U0BOT"
    theirs = slack.person("U0SARA").say("C0OPS", "mine")["ts"]
    assert error_of(lambda: client.chat_update(channel="C0OPS", ts=theirs, text="x")) == "cant_update_message"
    assert error_of(lambda: client.chat_delete(channel="C0OPS", ts=theirs)) == "cant_delete_message"
    assert error_of(lambda: client.chat_update(channel="C0OPS", ts="1.0", text="x")) == "message_not_found"
    assert error_of(lambda: client.chat_update(channel="#ops", ts=own["ts"], text="x")) == "channel_not_found"


def test_an_ephemeral_is_seen_by_its_reader_only_and_can_not_be_edited(slack: LocalSlack, client: WebClient) -> None:
    ts = client.chat_postEphemeral(channel="C0OPS", user="U0SARA", text="secret")["message_ts"]
    seen = [message["text"] for message in slack.person("U0SARA").messages("C0OPS")]
    assert seen == ["secret"]
    assert slack.person("U0OMID").messages("C0OPS") == []
    assert client.conversations_history(channel="C0OPS")["messages"] == []
    assert error_of(lambda: client.chat_update(channel="C0OPS", ts=ts, text="x")) == "message_not_found"
    assert error_of(lambda: client.chat_delete(channel="C0OPS", ts=ts)) == "message_not_found"
    outsider = error_of(lambda: client.chat_postEphemeral(channel="C0AUDIT", user="U0OMID", text="x"))
    assert outsider == "user_not_in_channel"


def test_metadata_is_kept_and_given_back_only_when_asked_for(client: WebClient) -> None:
    metadata: JSON = {"event_type": "card", "event_payload": {"intent": "i1"}}
    ts = client.chat_postMessage(channel="C0OPS", text="t", metadata=metadata)["ts"]
    assert "metadata" not in client.conversations_history(channel="C0OPS")["messages"][0]
    client.chat_update(channel="C0OPS", ts=ts, text="edited")
    found = client.conversations_history(channel="C0OPS", include_all_metadata=True)["messages"][0]
    assert found["metadata"] == metadata
    client.api_call("chat.update", json={"channel": "C0OPS", "ts": ts, "text": "x", "metadata": {}})
    found = client.conversations_history(channel="C0OPS", include_all_metadata=True)["messages"][0]
    assert "metadata" not in found


@pytest.mark.parametrize("bad", [{"event_type": "card"}, {"event_type": 1, "event_payload": {}}, ["x"]])
def test_metadata_of_another_shape_is_refused(client: WebClient, bad: object) -> None:
    call = {"channel": "C0OPS", "text": "t", "metadata": bad}
    assert error_of(lambda: client.api_call("chat.postMessage", json=call)) == "invalid_metadata_format"


def test_history_is_newest_first_in_pages_and_between_bounds(client: WebClient) -> None:
    stamps = [client.chat_postMessage(channel="C0OPS", text=str(n))["ts"] for n in range(5)]
    texts: list[str] = []
    cursor = ""
    for _ in range(3):
        page = client.conversations_history(channel="C0OPS", limit=2, cursor=cursor)
        texts += [message["text"] for message in page["messages"]]
        following: JSON = page.get("response_metadata") or {}
        cursor = following.get("next_cursor", "")
    assert texts == ["4", "3", "2", "1", "0"]
    assert cursor == ""
    outer = client.conversations_history(channel="C0OPS", oldest=stamps[1], latest=stamps[3])
    assert [message["text"] for message in outer["messages"]] == ["2"]
    inner = client.conversations_history(channel="C0OPS", oldest=stamps[1], latest=stamps[3], inclusive=True)
    assert [message["text"] for message in inner["messages"]] == ["3", "2", "1"]
    broken = error_of(lambda: client.conversations_history(channel="C0OPS", cursor="%%%"))
    assert broken == "invalid_cursor"
    assert error_of(lambda: client.conversations_history(channel="C0RANDOM")) == "not_in_channel"


def test_replies_stand_in_their_thread(client: WebClient) -> None:
    root = client.chat_postMessage(channel="C0OPS", text="root")["ts"]
    for text in ("one", "two"):
        client.chat_postMessage(channel="C0OPS", text=text, thread_ts=root)
    client.chat_postMessage(channel="C0OPS", text="loud", thread_ts=root, reply_broadcast=True)
    thread = client.conversations_replies(channel="C0OPS", ts=root)["messages"]
    assert [message["text"] for message in thread] == ["root", "one", "two", "loud"]
    top = client.conversations_history(channel="C0OPS")["messages"]
    assert [message["text"] for message in top] == ["loud", "root"]
    assert top[1]["reply_count"] == 3
    missing = error_of(lambda: client.conversations_replies(channel="C0OPS", ts="1.000001"))
    assert missing == "thread_not_found"
    client.chat_delete(channel="C0OPS", ts=root)
    assert client.conversations_replies(channel="C0OPS", ts=root)["messages"][0]["subtype"] == "tombstone"


def test_a_permalink_leads_to_the_message(client: WebClient) -> None:
    ts = client.chat_postMessage(channel="C0OPS", text="t")["ts"]
    link = client.chat_getPermalink(channel="C0OPS", message_ts=ts)["permalink"]
    assert link.endswith(f"/archives/C0OPS/p{ts.replace('.', '')}")
    reply = client.chat_postMessage(channel="C0OPS", text="r", thread_ts=ts)["ts"]
    link = client.chat_getPermalink(channel="C0OPS", message_ts=reply)["permalink"]
    assert link.endswith(f"?thread_ts={ts}&cid=C0OPS")


def test_channels_are_listed_joined_and_described(client: WebClient) -> None:
    names = [channel["name"] for channel in client.conversations_list(exclude_archived=True)["channels"]]
    assert names == ["ops", "alerts", "audit", "random"]
    assert client.conversations_info(channel="C0RANDOM")["channel"]["is_member"] is False
    client.conversations_join(channel="C0RANDOM")
    assert client.conversations_info(channel="C0RANDOM")["channel"]["is_member"] is True
    assert "U0BOT" in client.conversations_members(channel="C0RANDOM")["members"]
    assert client.conversations_open(users="U0OMID")["channel"]["id"] == "D00OMID"
    first = client.conversations_list(limit=2)
    rest = client.conversations_list(limit=9, cursor=first["response_metadata"]["next_cursor"])
    assert len(first["channels"]) == 2
    assert rest["channels"][0]["name"] == "audit"


def test_people_and_groups_are_found(client: WebClient) -> None:
    assert client.users_info(user="U0LEILA")["user"]["real_name"] == "لیلا"
    assert client.users_lookupByEmail(email="sara@shop.example")["user"]["id"] == "U0SARA"
    assert error_of(lambda: client.users_info(user="U0NOBODY")) == "user_not_found"
    assert error_of(lambda: client.users_lookupByEmail(email="x@shop.example")) == "users_not_found"
    assert {"U0SARA", "U0BOT"} <= {user["id"] for user in client.users_list()["members"]}
    assert client.usergroups_list()["usergroups"][0]["handle"] == "on-call"
    assert client.usergroups_users_list(usergroup="S0ONCALL")["users"] == ["U0OMID", "U0LEILA"]


def test_a_reaction_is_given_once(client: WebClient) -> None:
    ts = client.chat_postMessage(channel="C0OPS", text="t")["ts"]
    client.reactions_add(channel="C0OPS", timestamp=ts, name="eyes")
    twice = error_of(lambda: client.reactions_add(channel="C0OPS", timestamp=ts, name="eyes"))
    assert twice == "already_reacted"
    shown = client.reactions_get(channel="C0OPS", timestamp=ts)["message"]["reactions"]
    assert shown == [{"name": "eyes", "users": ["U0BOT"], "count": 1}]
    client.reactions_remove(channel="C0OPS", timestamp=ts, name="eyes")
    again = error_of(lambda: client.reactions_remove(channel="C0OPS", timestamp=ts, name="eyes"))
    assert again == "no_reaction"


def test_what_a_person_types_is_escaped_and_what_the_app_sends_is_not(slack: LocalSlack, client: WebClient) -> None:
    slack.person("U0SARA").say("C0OPS", "a < b & <!channel>")
    client.chat_postMessage(channel="C0OPS", text="<!here> & co")
    texts = [message["text"] for message in slack.person("U0OMID").messages("C0OPS")]
    assert texts == ["a &lt; b &amp; &lt;!channel&gt;", "<!here> & co"]


def test_a_private_channel_is_hidden_from_those_outside(slack: LocalSlack) -> None:
    def names(user: str) -> list[str]:
        return [channel["name"] for channel in slack.person(user).state()["channels"]]

    assert "hidden" in names("U0SARA")
    assert "hidden" not in names("U0OMID")
    with pytest.raises(LookupError):
        slack.person("U0OMID").messages("C0HIDDEN")


def test_the_log_has_every_call_and_never_a_token(slack: LocalSlack, client: WebClient) -> None:
    client.chat_postMessage(channel="C0OPS", text="hello")
    client.api_call("auth.test", params={"token": slack.bot_token})
    calls = slack.log()
    assert [call["method"] for call in calls] == ["chat.postMessage", "auth.test"]
    assert calls[0]["args"]["text"] == "hello"
    assert slack.bot_token not in json.dumps(calls)


def test_a_guest_sees_only_their_own_channels(slack: LocalSlack) -> None:
    guest = slack.person("U0GUEST")
    assert [channel["name"] for channel in guest.state()["channels"]] == ["ops", "random"]
    with pytest.raises(LookupError):
        guest.messages("C0ALERTS")
