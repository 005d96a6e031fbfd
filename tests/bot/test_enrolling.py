"""Enrolment on the page: what a link is worth, what a look costs, who lets a factor in, and what is told."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from bot.adapters.factors.records import Records
from handlers.core.door import policy_data
from handlers.core.door.approval import WORKSPACE
from handlers.core.door.consent import Rejected
from handlers.core.door.desk import Accepted, Began, Said
from handlers.core.door.enrolments import LINK_SECONDS
from handlers.core.door.seeds import RECOVERY_CODES, Candidate
from handlers.core.door.tellings import TOLD
from handlers.core.door.tickets import TRIES
from handlers.core.ports import Held
from handlers.core.words.answers import Actor, Invocation, JobId
from handlers.core.words.errors import Damage, OutsideError, Refusal
from handlers.core.words.jobs import JobState
from tests.bot.access_house import AUDIT, KEY, LEILA, OMID, OPS, SARA, Answered, House
from tests.fakes import someone


@pytest.fixture
def house() -> House:
    return House()


# -- a first factor --------------------------------------------------------------------------------------------


def test_a_first_factor_counts_when_somebody_else_let_it_in_with_their_code(house: House) -> None:
    enrolment, _ = house.finished(LEILA)
    assert house.factors.get(LEILA.person, WORKSPACE) is None
    job = house.done("access_admit", f"U0LEILA.{enrolment}", SARA)
    assert job.state is JobState.DONE
    assert job.confirmed_by == ("U0SARA",)
    factor = house.factors.get(LEILA.person, WORKSPACE)
    assert factor is not None
    assert (factor.cooling_until, factor.codes_left) == (0, RECOVERY_CODES)
    house.clock.advance(31)
    challenge = house.gate.open(LEILA, "plan")
    assert house.gate.submit(LEILA, challenge, "plan", house.code(LEILA))[0].value == "accepted"


def test_the_codes_typed_on_the_page_confirm_nothing_later(house: House) -> None:
    enrolment, _ = house.finished(LEILA)
    code = house.code(LEILA)
    house.clock.advance(-31)  # the administrator's own step must not move this one's
    house.done("access_admit", f"U0LEILA.{enrolment}", SARA)
    challenge = house.gate.open(LEILA, "plan")
    assert house.gate.submit(LEILA, challenge, "plan", code)[0].value == "spent"


def test_each_step_is_told_to_the_person_and_to_the_audit_channel(house: House) -> None:
    enrolment, _ = house.finished(LEILA)
    assert house.told("proposed").keys() == {"U0LEILA", AUDIT}
    house.done("access_admit", f"U0LEILA.{enrolment}", SARA)
    assert house.told("admitted").keys() == {"U0LEILA", AUDIT}
    events = [each.event for each in house.audit.events]
    for event in ("enrolment.invited", "enrolment.bound", "enrolment.proposed", "factor.admitting"):
        assert event in events


@pytest.mark.parametrize("person", ["U0LEILA", "W0LEILA"])
def test_nobody_lets_in_their_own_factor_by_any_of_their_accounts(house: House, person: str) -> None:
    house.book.rules, problems = policy_data.read(
        {
            "people": {
                "leila": {"slack": ["U0LEILA", "W0LEILA"], "roles": ["lead"]},
                "sara": {"slack": ["U0SARA"], "roles": ["lead"]},
            },
            "rules": [{"allow": ["lead"], "may": "destroy", "commands": ["access"]}],
        }
    )
    assert problems == ()
    house.host_enrols(someone("W0LEILA"))
    enrolment, _ = house.finished(LEILA)
    with pytest.raises(Refusal, match="Somebody else"):
        house.press(someone(person), "access_admit", f"U0LEILA.{enrolment}")


def test_whom_no_rule_makes_an_administrator_lets_nobody_in(house: House) -> None:
    people = {
        each: {"slack": [f"U0{each.upper()}"], "roles": [role]}
        for each, role in {"sara": "admin", "omid": "operator", "leila": "operator"}.items()
    }
    house.book.rules, problems = policy_data.read(
        {
            "people": people,
            "rules": [
                {"allow": ["admin"], "may": "destroy", "commands": ["access"]},
                {"allow": ["operator"], "may": "read"},
                {"allow": ["operator"], "may": "destroy", "commands": ["restore"]},
            ],
        }
    )
    assert problems == ()
    house.host_enrols(OMID)
    enrolment, _ = house.finished(LEILA)
    with pytest.raises(Refusal, match="does not let you"):
        house.press(OMID, "access_admit", f"U0LEILA.{enrolment}")
    assert house.done("access_admit", f"U0LEILA.{enrolment}", SARA).state is JobState.DONE


def test_a_factor_that_waited_a_day_is_not_let_in(house: House) -> None:
    enrolment, _ = house.finished(LEILA)
    house.clock.advance(24 * 3600 + 60)
    with pytest.raises(Refusal, match="longer than a day"):
        house.press(SARA, "access_admit", f"U0LEILA.{enrolment}")


def test_a_factor_is_let_in_once(house: House) -> None:
    enrolment, _ = house.finished(LEILA)
    house.press(SARA, "access_admit", f"U0LEILA.{enrolment}")
    first = house.offered()
    house.done("access_admit", f"U0LEILA.{enrolment}", SARA)
    with pytest.raises(Refusal, match="No second factor waits"):
        house.press(SARA, "access_admit", f"U0LEILA.{enrolment}")
    house.confirmed(first.id, SARA)
    house.desk.work(first.id)
    ended = house.jobs.load(first.id)
    assert ended is not None
    assert ended.state is not JobState.QUEUED
    factor = house.factors.get(LEILA.person, WORKSPACE)
    assert factor is not None
    assert factor.version == 1


def test_two_let_in_the_same_factor_and_one_wins(house: House) -> None:
    enrolment, _ = house.finished(LEILA)
    candidate = house.seeds.candidate(LEILA.person, WORKSPACE, enrolment)
    assert candidate is not None
    with pytest.raises(Refusal, match="not the second factor that was approved"):
        house.seeds.admit(replace(candidate, fingerprint="0" * 64), WORKSPACE, 0)
    house.seeds.admit(candidate, WORKSPACE, 0)
    house.store.delete("factors/workspace.U0LEILA/000001.json")  # even when nothing else speaks against it
    with pytest.raises(Refusal, match="let in before"):
        house.seeds.admit(candidate, WORKSPACE, 0)


def test_of_two_first_factors_that_wait_the_second_takes_the_place_of_none(house: House) -> None:
    """It proved nothing but two codes of its own and would cool for no time: whoever has one proves that first."""
    house.finished(LEILA)
    house.finished(LEILA)
    first, second = _waiting(house, LEILA)
    assert house.done("access_admit", f"U0LEILA.{first}", SARA).state is JobState.DONE
    refused = house.done("access_admit", f"U0LEILA.{second}", SARA)
    assert refused.state is JobState.FAILED
    assert refused.outcome is not None
    assert "has a second factor by now" in str(refused.outcome.text)
    assert house.seeds.admitted(LEILA.person, WORKSPACE, first)


def _waiting(house: House, actor: Actor) -> list[str]:
    keys = [each.key for each in house.store.list(f"candidates/workspace.{actor.person}/")]
    return [key.rpartition("/")[2].removesuffix(".json") for key in keys]


# -- the link --------------------------------------------------------------------------------------------------


def test_looking_at_a_link_changes_nothing_and_says_nothing(house: House) -> None:
    path, binding = house.invited(LEILA)
    writes, events = house.state.writes, len(house.audit.events)
    looks = [house.ask(method, path) for method in ("GET", "HEAD", "GET") for _ in range(20)]
    unknown = house.ask("GET", f"/enrol/{'a' * 32}")
    assert {(each.status, each.body) for each in looks} == {(unknown.status, unknown.body)}
    assert (house.state.writes, len(house.audit.events)) == (writes, events)
    assert house.post(path, "bind", code=binding).status == 200


def test_the_page_is_strict(house: House) -> None:
    path, page = house.shown(LEILA)
    for answer in (page, house.ask("GET", path), house.post(path, "bind", code="x"), house.ask("GET", "/enrol/no")):
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "script" not in answer.body
        assert "http" not in answer.body.replace("http://www.w3.org/2000/svg", "")
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "Set-Cookie" not in answer.headers


def persian(page: Answered) -> bool:
    """Whether it says nothing in English: what is left are codes, values and the names of things."""
    words = re.sub(r"<style>.*?</style>|<code.*?</code>|<[^>]*>|\u2068.*?\u2069", " ", page.body, flags=re.DOTALL)
    assert re.search("[ء-ی]", words), page.body
    return '<html lang="fa" dir="rtl">' in page.body and not re.search("[A-Za-z]", words)


def test_whose_slack_speaks_persian_reads_every_page_in_persian(house: House) -> None:
    path, page = house.shown(LEILA, tongue="fa")
    assert path.endswith("?in=fa")
    looks = [house.ask("GET", path), house.post(path, "bind", code="x"), house.ask("PUT", path), page]
    looks += [house.ask("POST", path, {"step": "no"}), house.ask("GET", "/enrol/no?in=fa")]
    looks += [house.post(path, "codes", page.key, first="000000", second="111111")]
    house.clock.advance(30)
    done = house.post(path, "codes", page.key, first=house.code(LEILA, -1), second=house.code(LEILA))
    assert (done.status, len(done.recovery)) == (200, RECOVERY_CODES)
    path, binding = house.invited(SARA, "fa")
    proving = house.post(path, "bind", code=binding)
    looks += [done, proving, house.post(path, "prove", proving.key, code="000000")]
    looks += [house.post(path, "prove", "a" * 32, code="000000")]
    assert {each.status for each in looks} == {200, 400, 403, 404, 405, 410}
    assert [each.status for each in looks if not persian(each)] == []


@pytest.mark.parametrize("query", ["", "?in=xx", "?in=fa&in=en", "?in=../fa", "?in=<b>", "?fa"], ids=ascii)
def test_in_which_tongue_nothing_is_known_the_page_is_english_and_says_nothing_back(house: House, query: str) -> None:
    plain, asked = (house.ask("GET", f"/enrol/{'a' * 32}{each}") for each in ("", query))
    assert (asked.status, asked.body) == (200, plain.body)
    assert '<html lang="en">' in plain.body


def test_a_link_is_used_once(house: House) -> None:
    path, binding = house.invited(LEILA)
    assert house.post(path, "bind", code=binding).status == 200
    assert house.post(path, "bind", code=binding).status == 410


def test_of_many_who_open_a_link_at_once_one_sees_a_seed(house: House) -> None:
    path, binding = house.invited(LEILA)
    with ThreadPoolExecutor(16) as pool:
        pages = list(pool.map(lambda _: house.post(path, "bind", code=binding), range(16)))
    assert sorted(each.status for each in pages) == [200, *[410] * 15]
    assert sum("type this key" in each.body for each in pages) == 1


def test_who_opens_a_link_between_another_s_look_and_write_is_the_only_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, binding = house.invited(LEILA)
    token, between = house.entropy.token, list[int]()

    def interrupted(characters: int) -> str:
        monkeypatch.setattr(house.entropy, "token", token)
        between.append(house.post(path, "bind", code=binding).status)
        return token(characters)

    monkeypatch.setattr(house.entropy, "token", interrupted)
    page = house.post(path, "bind", code=binding)
    assert (between, page.status) == ([200], 410)
    assert "type this key" not in page.body


def test_a_link_without_the_binding_code_is_worth_nothing(house: House) -> None:
    path, binding = house.invited(LEILA)
    pages = [house.post(path, "bind", code=f"aaaa-aaa{n}") for n in range(2, 2 + TRIES)]
    assert [each.status for each in pages] == [403] * (TRIES - 1) + [410]
    assert house.post(path, "bind", code=binding).status == 410
    assert house.told("refused").keys() == {"U0LEILA", AUDIT}


def test_a_binding_code_of_another_link_does_not_fit(house: House) -> None:
    path, _ = house.invited(LEILA)
    _, other = house.invited(OMID)
    assert house.post(path, "bind", code=other).status == 403


def test_a_link_is_over_after_ten_minutes_and_with_the_next_one(house: House) -> None:
    path, binding = house.invited(LEILA)
    house.clock.advance(LINK_SECONDS - 1)
    newer, code = house.invited(LEILA)
    assert house.post(path, "bind", code=binding).status == 410
    house.clock.advance(LINK_SECONDS)
    assert house.post(newer, "bind", code=code).status == 410


def test_only_the_browser_that_opened_the_page_goes_on(house: House) -> None:
    path, _ = house.shown(LEILA)
    house.clock.advance(30)
    codes = {"first": house.code(LEILA, -1), "second": house.code(LEILA)}
    assert house.post(path, "codes", "a" * 32, **codes).status == 410
    assert house.store.list("candidates/") == ()


def test_steps_cannot_be_left_out(house: House) -> None:
    path, binding = house.invited(SARA)
    assert house.post(path, "codes", "a" * 32, first="123456", second="654321").status == 410
    page = house.post(path, "bind", code=binding)
    assert "type this key" not in page.body
    assert house.post(path, "codes", page.key, first="123456", second="654321").status == 410


def test_five_pairs_of_wrong_codes_end_the_page(house: House) -> None:
    path, page = house.shown(LEILA)
    for _ in range(TRIES - 1):
        assert house.post(path, "codes", page.key, first="000000", second="111111").status == 403
    assert house.post(path, "codes", page.key, first="000000", second="111111").status == 410
    assert house.store.list("candidates/") == ()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("PUT", f"/enrol/{'a' * 32}", 405), ("GET", "/enrol/", 404), ("GET", f"/enrol/{'a' * 32}/x", 404)],
    ids=["another method", "no link", "more path"],
)
def test_what_the_page_does_not_know_is_refused(house: House, method: str, path: str, status: int) -> None:
    assert house.ask(method, path).status == status


@pytest.mark.parametrize(
    "fields", [{"step": "bind", "code": "x" * 5000}, {"step": "no"}, {}], ids=["long", "another step", "empty"]
)
def test_what_is_no_small_form_is_refused(house: House, fields: dict[str, str]) -> None:
    path, _ = house.invited(LEILA)
    assert house.ask("POST", path, fields).status == 400
    assert house.ask("POST", path, {"step": "bind", "code": "x"}, "application/json").status == 400


def test_without_the_state_the_page_says_so_and_shows_nothing(house: House) -> None:
    path, binding = house.invited(LEILA)
    house.state.away = True
    page = house.post(path, "bind", code=binding)
    assert page.status == 503
    assert "type this key" not in page.body


def test_without_a_record_of_it_nothing_is_shown(house: House) -> None:
    path, binding = house.invited(LEILA)
    house.audit.away = True
    assert "type this key" not in house.post(path, "bind", code=binding).body


def test_seed_codes_and_links_are_in_no_state_store_or_record(house: House) -> None:
    path, page = house.shown(LEILA)
    binding = house.invited(OMID)[1].replace("-", "")
    house.clock.advance(30)
    done = house.post(path, "codes", page.key, first=house.code(LEILA, -1), second=house.code(LEILA))
    kept = b"".join(held.value for held, _ in house.state._values.values())
    kept += b"".join(data for data, _ in house.store.artifacts.values())
    kept += json.dumps([dict(each.facts) for each in house.audit.events]).encode()
    for secret in (page.seed, path.rpartition("/")[2], page.key, binding, *done.recovery):
        assert secret.encode() not in kept
        assert secret.replace("-", "").encode() not in kept


def test_a_link_that_was_never_given_is_over_like_one_that_was_used(house: House) -> None:
    path, binding = house.invited(LEILA)
    assert house.post(path, "bind", code=binding).status == 200
    used, never = (house.post(each, "bind", code=binding) for each in (path, f"/enrol/{'a' * 32}"))
    assert (never.status, never.body) == (used.status, used.body) == (410, used.body)


def test_a_link_that_somebody_has_already_is_given_to_nobody_else(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, binding = house.invited(LEILA)
    token = house.entropy.token
    given = path.rpartition("/")[2]
    monkeypatch.setattr(house.entropy, "token", lambda characters: given if characters == 32 else token(characters))
    with pytest.raises(OutsideError, match="Too many asked at once"):
        house.invited(OMID)
    monkeypatch.undo()
    assert house.post(path, "bind", code=binding).status == 200


@pytest.mark.parametrize("times", [1, 16])
def test_of_links_that_are_asked_for_at_once_the_last_one_counts(
    house: House, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    get, others = house.state.get, list[tuple[str, str]]()

    def interrupted(key: str) -> Held | None:
        held = get(key)
        if key == "enrolling:U0LEILA" and len(others) < times:
            others.append(("", ""))
            monkeypatch.setattr(house.state, "get", get)
            others[-1] = house.invited(LEILA)
            monkeypatch.setattr(house.state, "get", interrupted)
        return held

    monkeypatch.setattr(house.state, "get", interrupted)
    if times == 16:
        with pytest.raises(OutsideError, match="Too many asked at once"):
            house.invited(LEILA)
        path, binding = others[-1]
    else:
        path, binding = house.invited(LEILA)
        assert house.post(others[0][0], "bind", code=others[0][1]).status == 410
    assert house.post(path, "bind", code=binding).status == 200


# -- another factor in the place of one ------------------------------------------------------------------------


def renewed(house: House) -> None:
    """Omid, whom the host enrolled, has a new factor that Sara let in."""
    house.host_enrols(OMID)
    enrolment, _ = house.finished(OMID, house.code(OMID))
    assert house.done("access_admit", f"U0OMID.{enrolment}", SARA).state is JobState.DONE


def test_a_new_factor_needs_the_old_one_and_a_second_person_and_cools_for_a_day(house: House) -> None:
    renewed(house)
    for _ in range(2):
        with pytest.raises(Refusal, match="confirms nothing yet"):
            house.gate.open(OMID, "plan")
        house.clock.advance(12 * 3600 - 60)
    house.clock.advance(180)
    assert house.gate.submit(OMID, house.gate.open(OMID, "plan"), "plan", house.code(OMID))[0].value == "accepted"


def test_a_cooling_factor_neither_asks_for_nor_agrees_to_what_destroys(house: House) -> None:
    renewed(house)
    said = house.desk.ask(Invocation("do", ("destroy",), OMID, OPS))
    assert isinstance(said, Said)
    assert "confirms nothing yet" in str(said.card.title)
    enrolment, _ = house.finished(LEILA)
    with pytest.raises(Refusal, match="confirms nothing yet"):
        house.press(OMID, "access_admit", f"U0LEILA.{enrolment}")


def test_the_old_factor_counts_until_the_new_one_is_let_in(house: House) -> None:
    house.host_enrols(OMID)
    old = house.keys[OMID.person]
    house.finished(OMID, house.code(OMID))
    house.keys[OMID.person] = old
    house.clock.advance(31)
    assert house.gate.submit(OMID, house.gate.open(OMID, "plan"), "plan", house.code(OMID))[0].value == "accepted"


@pytest.mark.parametrize("proof", ["000000", "aaaa-bbbb-cccc-dddd", "", "x" * 90])
def test_without_the_old_factor_no_seed_is_shown(house: House, proof: str) -> None:
    house.host_enrols(OMID)
    path, binding = house.invited(OMID)
    page = house.post(path, "bind", code=binding)
    refused = house.post(path, "prove", page.key, code=proof)
    assert refused.status == 403
    assert "type this key" not in refused.body


def test_wrong_codes_on_the_page_count_like_all_others(house: House) -> None:
    house.host_enrols(OMID)
    for _ in range(2):
        path, binding = house.invited(OMID)
        page = house.post(path, "bind", code=binding)
        for _ in range(3):
            house.post(path, "prove", page.key, code="000000")
    with pytest.raises(Refusal, match="Too many wrong codes"):
        house.gate.open(OMID, "plan")


def test_a_code_used_on_the_page_is_spent_everywhere(house: House) -> None:
    house.host_enrols(OMID)
    code = house.code(OMID)
    house.shown(OMID, code)
    assert house.gate.submit(OMID, house.gate.open(OMID, "plan"), "plan", code)[0].value == "replayed"


def test_a_question_that_was_opened_before_the_new_factor_was_let_in_is_not_answered_with_it(house: House) -> None:
    house.host_enrols(OMID)
    enrolment, _ = house.finished(OMID, house.code(OMID))
    challenge = house.gate.open(OMID, "plan")
    assert house.done("access_admit", f"U0OMID.{enrolment}", SARA).state is JobState.DONE
    decision, text = house.gate.submit(OMID, challenge, "plan", house.code(OMID))
    assert decision.value == "cooling"
    assert "confirms nothing yet. Wait" in str(text)


def test_a_code_that_was_used_already_is_told_when_it_is_typed_on_the_page(house: House) -> None:
    house.host_enrols(OMID)
    code = house.code(OMID)
    assert house.gate.submit(OMID, house.gate.open(OMID, "plan"), "plan", code)[0].value == "accepted"
    path, binding = house.invited(OMID)
    page = house.post(path, "bind", code=binding)
    refused = house.post(path, "prove", page.key, code=code)
    assert (refused.status, "type this key" in refused.body) == (403, False)
    assert house.told("replayed").keys() == {"U0OMID", AUDIT}


def test_the_tenth_wrong_code_is_told_when_it_is_typed_on_the_page(house: House) -> None:
    house.host_enrols(OMID)
    said = list[str]()
    for _ in range(10):
        assert house.told("locked") == {}
        house.clock.advance(3700)
        path, binding = house.invited(OMID)
        page = house.post(path, "bind", code=binding)
        said.append(house.post(path, "prove", page.key, code="000000").body)
    assert ["locked until somebody else unlocks it" in each for each in said] == [False] * 9 + [True]
    assert house.told("locked").keys() == {"U0OMID", AUDIT}


# -- recovery codes --------------------------------------------------------------------------------------------


def with_recovery(house: House) -> list[str]:
    """Leila's recovery codes, once her factor was let in."""
    enrolment, recovery = house.finished(LEILA)
    house.done("access_admit", f"U0LEILA.{enrolment}", SARA)
    return recovery


def test_recovery_codes_have_eighty_bits_and_all_differ(house: House) -> None:
    recovery = with_recovery(house)
    assert len(set(recovery)) == RECOVERY_CODES
    assert all(len(each.replace("-", "")) * 5 >= 79 for each in recovery)


def test_a_recovery_code_sets_up_another_factor_once(house: House) -> None:
    recovery = with_recovery(house)
    enrolment, anew = house.finished(LEILA, recovery[3].upper().replace("-", " "))
    ended = house.done("access_admit", f"U0LEILA.{enrolment}", SARA)
    assert ended.plan.arguments["proof"] == "recovery"
    factor = house.factors.get(LEILA.person, WORKSPACE)
    assert factor is not None
    assert factor.cooling_until > house.clock.now().timestamp() + 23 * 3600
    assert not set(anew) & set(recovery)
    for old in recovery:
        assert not house.seeds.recovers(LEILA.person, WORKSPACE, old.replace("-", ""))


def test_a_recovery_code_confirms_nothing(house: House) -> None:
    recovery = with_recovery(house)
    challenge = house.gate.open(LEILA, "plan")
    for each in recovery:
        assert house.gate.submit(LEILA, challenge, "plan", each)[0].value == "malformed"


def test_of_many_who_type_one_recovery_code_at_once_one_is_told_yes(house: House) -> None:
    code = with_recovery(house)[0].replace("-", "")
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: house.seeds.recovers(LEILA.person, WORKSPACE, code), range(16)))
    assert found.count(True) == 1


def test_who_types_a_recovery_code_between_another_s_look_and_write_is_the_only_one(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, get, between = with_recovery(house)[0].replace("-", ""), house.store.get, list[bool]()

    def interrupted(key: str, *, version: str = "") -> bytes | None:
        monkeypatch.setattr(house.store, "get", get)
        read = get(key, version=version)
        between.append(house.seeds.recovers(LEILA.person, WORKSPACE, code))
        return read

    monkeypatch.setattr(house.store, "get", interrupted)
    assert not house.seeds.recovers(LEILA.person, WORKSPACE, code)
    assert between == [True]


def test_one_recovery_code_is_kept_differently_for_each_person_and_key(house: House) -> None:
    kept = {
        Records(house.store, key).recovery(person.person, team, "abcd")
        for key in (KEY, bytes(32))
        for person in (SARA, LEILA)
        for team in (WORKSPACE, "other")
    }
    assert len(kept) == 8


def test_a_recovery_code_of_another_person_does_not_fit(house: House) -> None:
    code = with_recovery(house)[0].replace("-", "")
    assert not house.seeds.recovers(SARA.person, WORKSPACE, code)
    kept = house.store.artifacts["factors/workspace.U0LEILA/000001.json"][0]
    assert code.encode() not in kept


# -- locks -----------------------------------------------------------------------------------------------------


def hard_locked(house: House) -> None:
    """Ten wrong codes in Omid's name, through the desk."""
    house.host_enrols(OMID)
    for _ in range(10):
        house.clock.advance(3700)
        answer = house.desk.ask(Invocation("do", ("destroy",), OMID, OPS))
        assert isinstance(answer, Began)
        house.desk.approve(house.desk.challenge(answer.job, OMID).id, OMID, "000000")


def test_ten_wrong_codes_lock_until_somebody_else_unlocks_it(house: House) -> None:
    hard_locked(house)
    assert house.told("locked").keys() == {"U0OMID", AUDIT}
    house.state.flush()
    with pytest.raises(Refusal, match="locked until"):
        house.gate.open(OMID, "plan")
    with pytest.raises(Refusal, match="Somebody else"):
        house.press(OMID, "access_unlock", "U0OMID")
    house.clock.advance(120)
    assert house.done("access_unlock", "U0OMID", SARA).state is JobState.DONE
    assert house.told("unlocked").keys() == {"U0OMID", AUDIT}
    house.gate.open(OMID, "plan")
    house.clock.advance(100)  # the state was lost: old codes run out first
    assert house.gate.submit(OMID, house.gate.open(OMID, "plan"), "plan", house.code(OMID))[0].value == "accepted"


def test_what_is_not_locked_is_not_unlocked_and_nobody_is_told_that_it_was(house: House) -> None:
    house.host_enrols(OMID)
    ended = house.done("access_unlock", "U0OMID", SARA)
    assert (ended.state, str(ended.outcome and ended.outcome.text)) == (
        JobState.FAILED,
        "The second factor of U0OMID is not locked.",
    )
    assert house.told("unlocked") == {}


def test_who_was_locked_is_unlocked_from_the_card_in_the_audit_channel(house: House) -> None:
    hard_locked(house)
    found = (house.jobs.load(JobId(each.removeprefix("job:"))) for each in house.state.keys("job:"))
    [task] = [each for each in found if each and each.plan.channel == AUDIT and each.plan.operation == TOLD]
    card = house.desk.card(task)
    assert [(each.action, str(each.label), each.value) for each in card.buttons] == [
        ("access_unlock", "Unlock it", "U0OMID")
    ]
    assert str(card.title) == "U0OMID's second factor is locked: ten wrong codes in a row."


def test_who_was_not_let_in_before_the_state_was_lost_is_let_in_anew(house: House) -> None:
    enrolment, _ = house.finished(LEILA)
    house.press(SARA, "access_admit", f"U0LEILA.{enrolment}")
    job = house.offered()
    house.confirmed(job.id, SARA)
    house.state.flush()
    house.desk.find_lost()
    assert house.jobs.load(job.id) is None
    assert house.factors.get(LEILA.person, WORKSPACE) is None
    house.gate.open(SARA, "plan")
    house.clock.advance(100)  # the state was lost: old codes run out first
    assert house.done("access_admit", f"U0LEILA.{enrolment}", SARA).state is JobState.DONE


def test_a_code_used_twice_locks_the_operation_and_is_told(house: House) -> None:
    first, second = (house.desk.ask(Invocation("do", ("destroy",), SARA, OPS)) for _ in range(2))
    assert isinstance(first, Began)
    assert isinstance(second, Began)
    questions = [house.desk.challenge(each.job, SARA).id for each in (first, second)]
    code = house.code(SARA)
    assert house.desk.approve(questions[0], SARA, code) == Accepted(first.job)
    assert isinstance(house.desk.approve(questions[1], SARA, code), Rejected)
    job = house.jobs.load(second.job)
    assert job is not None
    assert job.state is JobState.CANCELLED
    assert house.told("replayed").keys() == {"U0SARA", AUDIT}
    house.clock.advance(31)
    with pytest.raises(Refusal, match="already decided"):
        house.desk.challenge(second.job, SARA)


# -- what is stored --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        {"renews": True},
        {"proof": "code"},
        {"floor_step": 1},
        {"created": "2030-01-01T00:00:00+00:00"},
        {"recovery": []},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_candidate_that_was_changed_is_damage(house: House, change: dict[str, Any]) -> None:
    enrolment, _ = house.finished(LEILA)
    key = f"candidates/workspace.U0LEILA/{enrolment}.json"
    stored, at = house.store.artifacts[key]
    house.store.artifacts[key] = (json.dumps({**json.loads(stored), **change}).encode(), at)
    with pytest.raises(Damage):
        house.seeds.candidate(LEILA.person, WORKSPACE, enrolment)


def test_a_candidate_of_another_person_is_damage(house: House) -> None:
    enrolment, _ = house.finished(LEILA)
    other = house.store.artifacts[f"candidates/workspace.U0LEILA/{enrolment}.json"]
    house.store.place(f"candidates/workspace.U0OMID/{enrolment}.json", other[0])
    with pytest.raises(Damage):
        house.seeds.candidate(OMID.person, WORKSPACE, enrolment)


def test_the_plan_names_the_factor_so_that_another_in_its_place_is_refused(house: House) -> None:
    enrolment, _ = house.finished(LEILA)
    house.press(SARA, "access_admit", f"U0LEILA.{enrolment}")
    job = house.offered()
    house.confirmed(job.id, SARA)
    other, _ = house.finished(LEILA)
    waiting = house.seeds.candidate(LEILA.person, WORKSPACE, enrolment)
    assert waiting is not None
    folder = "candidates/workspace.U0LEILA"
    house.store.artifacts[f"{folder}/{enrolment}.json"] = house.store.artifacts[f"{folder}/{other}.json"]
    house.desk.work(job.id)
    ended = house.jobs.load(job.id)
    assert ended is not None
    assert ended.state is JobState.FAILED
    assert house.factors.get(LEILA.person, WORKSPACE) is None


def test_a_factor_that_was_proved_anew_under_the_same_name_is_not_the_one_that_was_approved(house: House) -> None:
    enrolment, _ = house.finished(LEILA)
    house.press(SARA, "access_admit", f"U0LEILA.{enrolment}")
    job = house.offered()
    house.confirmed(job.id, SARA)
    house.store.delete(f"candidates/workspace.U0LEILA/{enrolment}.json")
    fresh = house.seeds.fresh(LEILA.person, WORKSPACE, enrolment)
    house.keys[LEILA.person] = fresh.seed
    candidate = Candidate(LEILA.person, enrolment, house.clock.now())
    house.seeds.propose(candidate, WORKSPACE, fresh.sealed, (house.code(LEILA, -1), house.code(LEILA)), ())
    house.desk.work(job.id)
    ended = house.jobs.load(job.id)
    assert ended is not None
    assert (ended.state, str(ended.outcome and ended.outcome.text)) == (
        JobState.FAILED,
        "This is not the second factor that was approved. Nothing was changed.",
    )
    assert house.factors.get(LEILA.person, WORKSPACE) is None
    assert house.told("admitted") == {}


def test_swapped_seeds_of_two_people_fail(house: House) -> None:
    house.host_enrols(OMID)
    sara, omid = "factors/workspace.U0SARA/000001.json", "factors/workspace.U0OMID/000001.json"
    kept = house.store.artifacts
    kept[sara], kept[omid] = kept[omid], kept[sara]
    for person in (SARA, OMID):
        with pytest.raises(Damage):
            house.factors.get(person.person, WORKSPACE)
    ours, theirs = (json.loads(kept[each][0]) for each in (sara, omid))
    swapped = {**ours, "seed": theirs["seed"], "nonce": theirs["nonce"]}
    kept[sara] = (json.dumps(swapped).encode(), kept[sara][1])
    with pytest.raises(Damage):
        house.factors.get(OMID.person, WORKSPACE)
