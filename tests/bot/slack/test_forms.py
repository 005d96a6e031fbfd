"""Forms, brought by the local Slack: opened at once, answered within the ack, hostile words shown as words."""

from __future__ import annotations

import json
import time

from handlers.core.words.answers import Press
from handlers.core.words.cards import Button, Card
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.forms import Choice, Form, Someone, Words
from handlers.core.words.text import Text
from tests.bot.slack.stage import JSON, Rig
from tests.bot.slack.test_listeners import SARA

SILENCE = Button("alert_silence", Text("Silence…"), "group1")
FORM = Form(
    action="alert_silence_check",
    value="group1",
    title=Text("Silence alerts"),
    lines=(Text("It covers {what}.", what="<!channel> *all*"),),
    fields=(
        Choice("for", Text("For how long"), (("1h", Text("1 hour")), ("4h", Text("4 hours"))), "1h"),
        Words("matchers", Text("Alerts with"), 'job="shop"', lines=True),
        Words("comment", Text("Why")),
    ),
    submit=Text("Go on"),
)
TYPED = {"for": {"field": "4h"}, "matchers": {"field": "job=a\nb=c"}, "comment": {"field": "known"}}


def opened(bot: Rig) -> JSON:
    sara = bot.slack.person("U0SARA")
    assert sara.click("C0OPS", bot.post(SILENCE), "alert_silence") == {"ok": True}
    return sara.wait_for_view("form")


def words(view: JSON) -> str:
    return json.dumps(view, ensure_ascii=False)


def test_a_form_opens_with_what_is_suggested_and_shows_hostile_words_as_words(bot: Rig) -> None:
    bot.desk.answered = FORM
    view = opened(bot)
    assert bot.desk.pressed == [Press("alert_silence", "group1", SARA, "C0OPS")]
    assert "&lt;!channel&gt;" in words(view)
    assert "<!channel>" not in words(view)
    assert 'job=\\"shop\\"' in words(view)


def test_what_was_typed_comes_back_as_a_press_where_the_button_was(bot: Rig) -> None:
    bot.desk.answered = FORM
    view = opened(bot)
    bot.desk.answered = Card(Text("It is being told"))
    sara = bot.slack.person("U0SARA")
    assert sara.submit(view["id"], TYPED)["response_action"] == "update"
    typed = {"for": "4h", "matchers": "job=a\nb=c", "comment": "known"}
    assert bot.desk.pressed[1] == Press("alert_silence_check", "group1", SARA, "C0OPS", typed)
    assert "It is being told" in words(sara.views()[-1])
    assert bot.wakes


def test_a_form_can_be_followed_by_another(bot: Rig) -> None:
    bot.desk.answered = FORM
    view = opened(bot)
    sara = bot.slack.person("U0SARA")
    sara.submit(view["id"], TYPED)
    (again,) = sara.views()
    assert (again["callback_id"], again["id"]) == ("form", view["id"])


def test_a_refusal_is_shown_where_the_form_would_be(bot: Rig) -> None:
    bot.desk.cancelled = Refusal(Text("Nothing of this fires any more."))
    sara = bot.slack.person("U0SARA")
    sara.click("C0OPS", bot.post(SILENCE), "alert_silence")
    assert "Nothing of this fires" in words(sara.wait_for_view("explanation"))


def test_a_failure_is_shown_where_the_form_was(bot: Rig) -> None:
    bot.desk.answered = FORM
    view = opened(bot)
    bot.desk.cancelled = OutsideError(Text("Alertmanager does not answer."))
    sara = bot.slack.person("U0SARA")
    sara.submit(view["id"], TYPED)
    assert "Alertmanager does not answer" in words(sara.views()[-1])


def test_a_form_is_answered_once_however_often_slack_brings_it(bot: Rig) -> None:
    bot.desk.answered = FORM
    view = opened(bot)
    bot.slack.fault("interactive", "duplicate_delivery")
    bot.slack.person("U0SARA").submit(view["id"], TYPED)
    time.sleep(0.5)
    assert len(bot.desk.pressed) == 2


def test_a_person_is_chosen_and_a_note_may_stay_empty(bot: Rig) -> None:
    fields = (Someone("person", Text("Who"), "U0SARA"), Words("note", Text("Why"), optional=True))
    bot.desk.answered = Form("run_hand_over_to", "run1", Text("Hand over"), (), fields, Text("Hand over"))
    view = opened(bot)
    bot.desk.answered = None
    sara = bot.slack.person("U0SARA")
    assert sara.submit(view["id"], {"person": {"field": "U0OMID"}})["response_action"] == "update"
    assert bot.desk.pressed[1] == Press("run_hand_over_to", "run1", SARA, "C0OPS", {"person": "U0OMID"})
