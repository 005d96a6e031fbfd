"""Commands, buttons and codes, brought by the local Slack over Socket Mode."""

from __future__ import annotations

import threading
import time

import pytest

from handlers.core.door.consent import Rejected
from handlers.core.door.desk import Accepted, Began, Challenge, Said
from handlers.core.words.answers import Actor, Invocation, JobId, PersonId, Surface
from handlers.core.words.cards import Button, Card
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text
from tests.bot.slack.stage import JSON, Rig

SARA = Actor(PersonId("U0SARA"), "T0LOCAL", Surface.SLACK)
CONFIRM = Button("confirm", Text("Confirm"), "j1", danger=True)


def said(message: JSON) -> str:
    return f"{message['text']} {message.get('blocks')}"


def open_question(bot: Rig) -> JSON:
    sara = bot.slack.person("U0SARA")
    assert sara.click("C0OPS", bot.post(CONFIRM), "confirm") == {"ok": True}
    return sara.wait_for_view("totp")


def code(value: str) -> dict[str, dict[str, object]]:
    return {"code": {"code": value}}


def test_words_are_told_to_the_asker_alone(bot: Rig) -> None:
    bot.desk.answer = Said(Card(Text("No backups yet")))
    sara = bot.slack.person("U0SARA")
    assert sara.command("C0OPS", "/backup list shop") == {"ok": True}
    message = sara.wait_for_message("C0OPS", lambda each: "No backups yet" in each["text"])
    assert message["is_ephemeral"] is True
    assert bot.slack.person("U0OMID").messages("C0OPS") == []
    assert bot.desk.asked == [Invocation("backup", ("list", "shop"), SARA, "C0OPS")]
    assert bot.wakes == []


def test_words_reach_the_asker_where_the_bot_is_no_member(bot: Rig) -> None:
    sara = bot.slack.person("U0SARA")
    assert sara.command("C0RANDOM", "/backup") == {"ok": True}
    sara.wait_for_message("C0RANDOM", lambda each: "Fine" in each["text"])


def test_words_take_another_way_when_the_response_url_fails(bot: Rig) -> None:
    bot.slack.fault("response_url", "500")
    sara = bot.slack.person("U0SARA")
    sara.command("C0OPS", "/backup")
    assert sara.wait_for_message("C0OPS", lambda each: "Fine" in each["text"])["is_ephemeral"] is True
    assert "chat.postEphemeral" in [call["method"] for call in bot.slack.log()]


def test_a_begun_job_wakes_the_relay_and_says_nothing_itself(bot: Rig) -> None:
    bot.desk.answer = Began(JobId("j1"))
    sara = bot.slack.person("U0SARA")
    assert sara.command("C0OPS", "/backup now") == {"ok": True}
    sara.wait_for(lambda: bot.wakes)
    assert sara.messages("C0OPS") == []


def test_the_ack_does_not_wait_for_the_desk(bot: Rig) -> None:
    gate = threading.Event()
    bot.desk.before = lambda: gate.wait(10)
    sara = bot.slack.person("U0SARA")
    sara.command("C0OPS", "/backup")  # the first ack asks auth.test
    started = time.monotonic()
    try:
        for _ in range(6):
            assert sara.command("C0OPS", "/backup") == {"ok": True}
        assert time.monotonic() - started < 2.5
        assert bot.desk.asked == []
    finally:
        gate.set()


def test_entities_of_the_typed_text_are_read_and_blanks_split_words(bot: Rig) -> None:
    sara = bot.slack.person("U0SARA")
    sara.command("C0OPS", "/restore   a&b <x>  \t'q \"w &amp;")
    sara.wait_for(lambda: bot.desk.asked)
    assert bot.desk.asked[0].words == ("a&b", "<x>", "'q", '"w', "&amp;")


def test_forty_thousand_hostile_characters_change_nothing(bot: Rig) -> None:
    sara = bot.slack.person("U0SARA")
    sara.command("C0OPS", "/backup " + "\u202e<&`*$(rm) " * 5000)
    sara.wait_for(lambda: bot.desk.asked)
    assert 0 < len(bot.desk.asked[0].words) <= 50


def test_a_command_that_slack_brings_twice_is_asked_once(bot: Rig) -> None:
    bot.slack.fault("commands", "duplicate_delivery")
    sara = bot.slack.person("U0SARA")
    sara.command("C0OPS", "/backup now")
    sara.wait_for(lambda: bot.desk.asked)
    sara.command("C0OPS", "/backup list")
    sara.wait_for(lambda: len(bot.desk.asked) >= 2)
    time.sleep(0.3)
    assert sorted(each.words[0] for each in bot.desk.asked) == ["list", "now"]


def test_a_failure_is_told_with_a_reference_and_logged_without_the_payload(
    bot: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    bot.desk.answer = ValueError("hunter2-from-the-payload")
    sara = bot.slack.person("U0SARA")
    sara.command("C0OPS", "/backup swordfish")
    message = sara.wait_for_message("C0OPS", lambda each: "Something went wrong" in each["text"])
    reference = message["text"].rpartition("`")[0].rpartition("`")[2]
    assert f"ref {reference}: ValueError" in caplog.text
    assert "hunter2" not in caplog.text
    assert "swordfish" not in caplog.text


def test_a_lost_state_is_told_in_its_own_words(bot: Rig) -> None:
    bot.desk.answer = OutsideError(Text("Redis does not answer."))
    sara = bot.slack.person("U0SARA")
    sara.command("C0OPS", "/backup")
    sara.wait_for_message("C0OPS", lambda each: "Redis does not answer. Nothing was changed." in each["text"])


def test_confirm_shows_what_the_code_will_confirm(bot: Rig) -> None:
    view = open_question(bot)
    assert view["private_metadata"] == "ch1 C0OPS"
    assert "Restore" in str(view["blocks"])
    assert "Replaces everything in" in str(view["blocks"])
    assert not any(block["type"] == "actions" for block in view["blocks"])
    assert [block["block_id"] for block in view["blocks"] if block["type"] == "input"] == ["code"]
    assert bot.desk.challenges == [("j1", SARA)]


def test_a_slow_challenge_keeps_the_modal_it_opened(bot: Rig) -> None:
    gate = threading.Event()
    bot.desk.before = lambda: gate.wait(10)
    sara = bot.slack.person("U0SARA")
    try:
        sara.click("C0OPS", bot.post(CONFIRM), "confirm")
        assert sara.wait_for_view("totp_wait")["blocks"][0]["text"]["text"] == "One moment…"
        bot.slack.advance(10)  # the trigger is over
    finally:
        gate.set()
    sara.wait_for_view("totp")
    assert len(sara.views()) == 1


@pytest.mark.parametrize("error", [Refusal(Text("Only Omid can.")), OutsideError(Text("Only Omid can."))])
def test_a_refused_challenge_is_explained_in_the_modal(bot: Rig, error: Exception) -> None:
    bot.desk.challenged = error
    sara = bot.slack.person("U0SARA")
    sara.click("C0OPS", bot.post(CONFIRM), "confirm")
    view = sara.wait_for_view("explanation")
    assert "Only Omid can." in str(view["blocks"])
    assert "submit" not in view or view["submit"] is None


def test_a_click_that_came_too_late_is_explained_in_the_channel(bot: Rig) -> None:
    bot.slack.fault("views.open", "error:expired_trigger_id")
    sara = bot.slack.person("U0SARA")
    sara.click("C0OPS", bot.post(CONFIRM), "confirm")
    sara.wait_for_message("C0OPS", lambda each: "Press it again" in each["text"])
    assert bot.desk.challenges == []


def test_an_accepted_code_closes_the_modal_and_wakes_the_relay(bot: Rig) -> None:
    view = open_question(bot)
    sara = bot.slack.person("U0SARA")
    assert sara.submit(view["id"], code("123 456")) == {"ok": True}
    assert sara.views() == []
    assert bot.desk.codes == [("ch1", SARA, "123456")]
    sara.wait_for(lambda: bot.wakes)


def test_a_wrong_code_can_be_typed_again_in_the_same_modal(bot: Rig) -> None:
    view = open_question(bot)
    sara = bot.slack.person("U0SARA")
    bot.desk.approved = Rejected(Text("That code is {what}.", what=Code("wrong")), again=True)
    answer = sara.submit(view["id"], code("000000"))
    assert answer["errors"] == {"code": "That code is wrong."}
    bot.desk.approved = Accepted(JobId("j1"))
    assert sara.submit(view["id"], code("123456")) == {"ok": True}
    assert [each[2] for each in bot.desk.codes] == ["000000", "123456"]


@pytest.mark.parametrize("end", [Rejected(Text("Too many codes."), again=False), OutsideError(Text("Too many codes."))])
def test_a_question_that_is_over_becomes_its_explanation(bot: Rig, end: Rejected | OutsideError) -> None:
    view = open_question(bot)
    sara = bot.slack.person("U0SARA")
    bot.desk.approved = end
    assert sara.submit(view["id"], code("000000"))["response_action"] == "update"
    [shown] = sara.views()
    assert shown["callback_id"] == "explanation"
    assert "Too many codes." in str(shown["blocks"])
    assert bot.wakes == []


def test_a_code_is_in_no_log_even_when_judging_it_breaks(bot: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    view = open_question(bot)
    sara = bot.slack.person("U0SARA")
    bot.desk.approved = ValueError("987654 is odd")
    answer = sara.submit(view["id"], code("987654"))
    assert answer["response_action"] == "update"
    assert "Something went wrong" in str(sara.views()[0]["blocks"])
    bot.desk.approved = Rejected(Text("No."), again=False)
    assert "987654" not in caplog.text
    assert "ref " in caplog.text


def test_a_submission_that_slack_brings_twice_is_judged_once(bot: Rig) -> None:
    view = open_question(bot)
    bot.desk.approved = Rejected(Text("Wrong."), again=True)
    bot.slack.fault("interactive", "duplicate_delivery")
    answer = bot.slack.person("U0SARA").submit(view["id"], code("111111"))
    assert answer["errors"] == {"code": "Wrong."}
    assert len(bot.desk.codes) == 1


def test_cancel_is_asked_of_the_desk_and_its_refusal_is_told(bot: Rig) -> None:
    sara = bot.slack.person("U0SARA")
    ts = bot.post(Button("job_cancel", Text("Cancel"), "j9"))
    sara.click("C0OPS", ts, "job_cancel")
    sara.wait_for(lambda: bot.wakes)
    assert bot.desk.cancels == [("j9", SARA)]
    bot.desk.cancelled = Refusal(Text("This has already ended."))
    sara.click("C0OPS", ts, "job_cancel")
    sara.wait_for_message("C0OPS", lambda each: "already ended" in each["text"])


def test_a_pick_is_the_same_as_typing_restore_there(bot: Rig) -> None:
    sara = bot.slack.person("U0SARA")
    sara.click("C0OPS", bot.post(Button("restore_pick", Text("Restore"), "b1 shop")), "restore_pick")
    sara.wait_for(lambda: bot.desk.asked)
    assert bot.desk.asked == [Invocation("restore", ("b1", "shop"), SARA, "C0OPS")]


def test_a_pick_in_an_ephemeral_card_works_too(bot: Rig) -> None:
    bot.desk.answer = Said(Card(Text("Pick one"), buttons=(Button("restore_pick", Text("Restore"), "b1 shop"),)))
    sara = bot.slack.person("U0SARA")
    sara.command("C0OPS", "/restore")
    message = sara.wait_for_message("C0OPS", lambda each: "Pick one" in each["text"])
    bot.desk.answer = Began(JobId("j1"))
    sara.click("C0OPS", message["ts"], "restore_pick")
    sara.wait_for(lambda: bot.wakes)
    assert bot.desk.asked[1].words == ("b1", "shop")


def test_a_button_of_an_older_version_is_explained(bot: Rig) -> None:
    sara = bot.slack.person("U0SARA")
    assert sara.click("C0OPS", bot.post(Button("gone", Text("Old"), "x")), "gone") == {"ok": True}
    sara.wait_for_message("C0OPS", lambda each: "older version" in each["text"])


def test_a_command_nobody_registered_is_not_answered(bot: Rig, caplog: pytest.LogCaptureFixture) -> None:
    answer = bot.slack.person("U0SARA").command("C0OPS", "/unheard-of")
    assert answer == {"ok": False, "error": "unknown_command"}
    assert bot.desk.asked == []
    assert "nobody listens" not in caplog.text


def test_the_home_tab_says_what_can_be_typed(bot: Rig) -> None:
    sara = bot.slack.person("U0SARA")
    sara.open_home()
    assert "/restore help" in str(sara.wait_for(sara.home))


def test_the_bot_comes_back_after_slack_breaks_the_connection(bot: Rig) -> None:
    sara = bot.slack.person("U0SARA")
    for reason in ("refresh_requested", "drop"):
        before = len(bot.desk.asked)
        bot.slack.disconnect(reason)
        sara.wait_for(lambda before=before: _reached(bot, before), 20, "an answered command")  # type: ignore[misc]


def _reached(bot: Rig, before: int) -> bool:
    bot.slack.person("U0SARA").command("C0OPS", "/backup")
    return len(bot.desk.asked) > before


def test_another_challenge_id_travels_with_another_question(bot: Rig) -> None:
    bot.desk.challenged = Challenge("j1.other", JobId("j1"), Card(Text("Other")))
    assert open_question(bot)["private_metadata"] == "j1.other C0OPS"
