"""What /rotate says: the help, the list, the plans and the cards of its jobs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from handlers.core.door.alarms import Alarms
from handlers.core.door.desk import Began, Said
from handlers.core.rotation.secret_stores import Shelf, Version
from handlers.core.rotation.secrets import Managed
from handlers.core.rotation.standings import LOOK_SECONDS, Reminders
from handlers.core.words.cards import Tone
from handlers.core.words.jobs import JobState
from tests.fakes import someone
from tests.handlers.test_rotations import JWT, PLAIN, USE, House, text_of


def listed(house: House, *words: str) -> tuple[str, Tone]:
    """The card of a list."""
    answer = house.ask(*words)
    assert isinstance(answer, Said)
    return text_of(answer.card), answer.card.tone


def planned(house: House, *words: str) -> str:
    """What a plan says before it is confirmed."""
    answer = house.ask(*words)
    assert isinstance(answer, Began)
    return text_of(house.desk.card(house.job(answer.job)))


def test_the_help_names_every_word_and_says_that_no_value_is_shown() -> None:
    for words in (("help",), ("help", "me")):
        said = House().said(*words)
        for word in ("status", "due", "retire", "rollback", "now!", "pause", "continue", "reencrypt", "slack-tokens"):
            assert word in said
        assert "I never show a value" in said


def test_tokens_that_only_people_can_make_lead_to_their_checklist() -> None:
    answer = House().ask("slack-tokens")
    assert isinstance(answer, Said)
    assert "Never type a token into Slack" in text_of(answer.card)
    assert [(each.action, each.value) for each in answer.card.buttons] == [("runbook_pick", "slack-tokens")]


def test_a_file_without_secrets_is_not_green() -> None:
    house = House()
    house.managed = Managed()
    house.desk = house.new_desk()
    for words in ((), ("status",), ("due",)):
        said, tone = listed(house, *words)
        assert "SECRETS_CONFIG names none" in said
        assert tone is Tone.UNKNOWN


def test_a_secret_without_a_value_is_in_the_list_and_gets_its_first_one_by_hand() -> None:
    house = House(None, replace(PLAIN, place="elsewhere"))
    said, tone = listed(house, "due")
    assert "api-key: no value yet" in said
    assert tone is Tone.UNKNOWN
    assert "api-key has no value yet. Put a first one into the store by hand." in house.said("api-key")
    assert house.secrets.versions("elsewhere") == set()


def test_a_secret_of_which_nobody_knows_the_age_is_not_green_until_a_rotation_has_made_it_known() -> None:
    house = House(None, PLAIN)
    real = house.secrets.look

    def ageless(place: str) -> Shelf:
        shelf = real(place)
        return replace(shelf, current=Version(shelf.current_id))

    house.secrets.look = ageless  # type: ignore[method-assign]
    said, tone = listed(house, "due")
    assert "api-key: its age is not known" in said
    assert tone is Tone.UNKNOWN
    house.done("api-key")
    house.clock.advance(2 * 3600)
    house.done("api-key", "retire")
    house.clock.advance(86_400)
    assert "api-key: 26 h 1 min old, due in 88 days" in house.said("status")


def test_a_secret_that_is_being_rotated_is_in_the_list_with_its_job_and_needs_no_look() -> None:
    house, seen = House(None, JWT), list[str]()
    job = house.queued("jwt")
    house.faults.meanwhile("app.roll_out", 1, lambda: seen.extend((house.said("status"), house.said("due"))))
    house.desk.work(job)
    assert f"jwt: job {job} is at work" in seen[0]
    assert "No secret is due" in seen[1]
    assert "is at work" not in seen[1]


def test_reminders_are_looked_for_every_ten_minutes_and_not_more_often() -> None:
    house = House(None, JWT)
    alarms = Alarms(house.state, house.audit, house.clock, house.entropy)
    reminders = Reminders(house.estate, alarms, someone(), "C0OPS")
    looks = []
    for _ in range(3):
        reminders.round()
        looks.append(house.faults.calls.count("secrets.look"))
        house.clock.advance(LOOK_SECONDS / 2)
    assert looks == [1, 1, 2]


def test_a_plan_says_what_people_notice_and_how_often_each_command_runs() -> None:
    use = replace(USE, roll_out="kubectl rollout restart deployment/api")
    house = House(None, replace(JWT, uses=(use,), notice="Phones ask twice."), replace(PLAIN, uses=(use,)))
    assert "Phones ask twice." in planned(house, "jwt")
    assert "Runs 2 times: kubectl rollout restart deployment/api" in planned(house, "jwt")
    assert "Runs 1 times: kubectl rollout restart deployment/api" in planned(house, "api-key")
    house.done("api-key")
    house.clock.advance(timedelta(hours=2).total_seconds())
    assert "Runs 1 times" in planned(house, "api-key", "rollback")
    assert "Runs" not in planned(house, "api-key", "retire"), "nobody reads anything anew"


def test_the_card_of_a_plan_whose_secret_was_taken_out_of_the_file_claims_nothing_of_it() -> None:
    house = House()
    job = house.queued("jwt")
    del house.managed.secrets["jwt"]  # type: ignore[attr-defined]
    card = house.desk.card(house.job(job))
    assert str(card.title) == "Rotation of jwt: waiting"
    assert [str(each) for each in card.lines] == ["Waiting for a worker."]
    assert card.facts == ()
    house.desk.work(job)
    assert house.job(job).state is JobState.FAILED
    assert "There is no secret jwt" in text_of(house.desk.card(house.job(job)))


def test_the_card_of_a_pause_says_of_which_secret_and_of_no_version() -> None:
    house, seen = House(), list[Began]()

    def pause() -> None:
        answer = house.ask("jwt", "pause")
        assert isinstance(answer, Began)
        seen.append(answer)
        house.desk.work(answer.job)

    job = house.queued("jwt")
    house.faults.meanwhile("app.roll_out", 1, pause)
    house.desk.work(job)
    card = house.desk.card(house.job(seen[0].job))
    assert str(card.title) == "Pause of jwt: done"
    assert [str(each.label) for each in card.facts] == ["Kind", "Store", "Used by"]
    assert "jwt stops before its next step" in text_of(card)
