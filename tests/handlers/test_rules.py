"""The rules of a policy file: default deny, rules that only add up, people and not ids."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core.door import policy_data
from handlers.core.door.policy import Permission
from handlers.core.door.rules import ARGUMENTS, JoinedRules, Need, Rules, Wish
from handlers.core.restores.restore_plans import RestorePlan, UndoPlan
from handlers.core.rotation.rotation_plans import RotationPlan
from handlers.core.words.answers import PersonId
from handlers.core.words.text import Text

SARA, OMID, OMID_TOO, LEILA, NOBODY = (PersonId(each) for each in ("U0SARA", "U0OMID", "W0OMID", "U0LEILA", "U0XX"))
PEOPLE: dict[str, Any] = {
    "sara": {"slack": ["U0SARA"], "roles": ["operator", "lead"]},
    "omid": {"slack": ["U0OMID", "W0OMID"], "roles": ["operator", "lead"]},
    "leila": {"slack": ["U0LEILA"], "roles": ["viewer"]},
}
RULES: list[dict[str, Any]] = [
    {"allow": ["viewer", "operator"], "may": "read"},
    {"allow": ["operator"], "may": "operate", "channels": ["C0OPS"]},
    {"allow": ["operator"], "may": "destroy", "commands": ["restore"], "targets": ["shop"],
     "approvals": {"count": 1, "from": ["lead"]}},
]  # fmt: skip
RESTORE = Wish(Permission.DESTROY, "restore.run", "shop", "C0OPS")


def made(*more: dict[str, Any], people: Any = PEOPLE) -> Rules:
    found, problems = policy_data.read({"people": people, "rules": [*RULES, *more]})
    assert problems == ()
    return found


def wrong(data: object) -> str:
    _, problems = policy_data.read(data)
    return "; ".join(problems)


def test_without_a_file_everybody_may() -> None:
    assert Rules().need(NOBODY, RESTORE) == Need()


def test_who_is_not_named_may_nothing() -> None:
    said = made().need(NOBODY, Wish(Permission.READ, "backup.ask"))
    assert isinstance(said, Text)
    assert "does not name you" in str(said)


@pytest.mark.parametrize(
    ("person", "wish", "expected"),
    [
        (LEILA, Wish(Permission.READ, "backup.ask", "", "C0RANDOM"), Need()),
        (LEILA, Wish(Permission.OPERATE, "backup.now", "shop", "C0OPS"), None),
        (SARA, Wish(Permission.OPERATE, "backup.now", "shop", "C0OPS"), Need()),
        (SARA, Wish(Permission.OPERATE, "backup.now", "shop", "C0RANDOM"), None),
        (SARA, RESTORE, Need(1, frozenset({"omid"}))),
        (OMID_TOO, RESTORE, Need(1, frozenset({"sara"}))),
        (SARA, Wish(Permission.DESTROY, "restore.run", "wiki", "C0OPS"), None),
        (SARA, Wish(Permission.DESTROY, "rotate.rotate", "shop", "C0OPS"), None),
        (SARA, Wish(Permission.OPERATE, "alert_ack", "", "C0OPS"), Need()),
    ],
    ids=[
        "a viewer reads",
        "a viewer backs nothing up",
        "an operator backs up",
        "not in another channel",
        "a restore needs somebody else",
        "by any id of the person",
        "not another target",
        "not another command",
        "a button belongs to its command",
    ],
)
def test_what_a_rule_allows_and_nothing_else(person: PersonId, wish: Wish, expected: Need | None) -> None:
    found = made().need(person, wish)
    assert (None if isinstance(found, Text) else found) == expected


def test_a_denial_says_who_may_or_that_it_is_the_channel() -> None:
    known = made()
    assert "omid, sara" in str(known.need(LEILA, RESTORE))
    elsewhere = Wish(Permission.OPERATE, "backup.now", "shop", "C0RANDOM")
    assert "another channel" in str(known.need(SARA, elsewhere))


def test_another_rule_never_weakens_one_that_asks_for_more_people() -> None:
    lax = {"allow": ["operator"], "may": "destroy"}
    assert made(lax).need(SARA, RESTORE) == Need(1, frozenset({"omid"}))


@pytest.mark.parametrize("turned", [False, True], ids=["as written", "the other way round"])
def test_of_rules_that_ask_for_as_many_whom_each_of_them_takes_agrees_whatever_their_order(turned: bool) -> None:
    people = {
        "sara": {"slack": ["U0SARA"], "roles": ["operator"]},
        "omid": {"slack": ["U0OMID"], "roles": ["lead", "keeper"]},
        "leila": {"slack": ["U0LEILA"], "roles": ["lead"]},
        "nima": {"slack": ["U0NIMA"], "roles": ["keeper"]},
    }
    asks = [
        {"allow": ["operator"], "may": "destroy", "approvals": {"count": 1, "from": ["lead"]}},
        {"allow": ["operator"], "may": "destroy", "targets": ["shop"], "approvals": {"count": 1, "from": ["keeper"]}},
    ]
    known, problems = policy_data.read({"people": people, "rules": asks[::-1] if turned else asks})
    assert problems == ()
    assert known.need(SARA, RESTORE) == Need(1, frozenset({"omid"}))
    assert known.need(SARA, replace(RESTORE, target="wiki")) == Need(1, frozenset({"omid", "leila"}))


@pytest.mark.parametrize(
    ("more", "refused"),
    [
        ({}, True),
        ({"targets": ["wiki"]}, False),
        ({"commands": ["rotate"]}, False),
        ({"channels": ["C0OTHER"]}, False),
        ({"allow": ["viewer"]}, False),
        ({"commands": ["restore"], "arguments": {"database": "shop"}}, False),
        ({"approvals": {"count": 1, "from": ["viewer", "operator"]}}, False),
        ({"approvals": {"count": 2, "from": ["viewer"]}}, False),
    ],
    ids=[
        "the same",
        "a target",
        "a command",
        "a channel",
        "other people",
        "an argument",
        "somebody has both",
        "one asks for more",
    ],
)
def test_two_rules_that_nobody_could_please_at_once_are_refused(more: dict[str, Any], refused: bool) -> None:
    asks = {**RULES[2], "channels": ["C0OPS"]}
    other = {**asks, "commands": ["restore"], "approvals": {"count": 1, "from": ["viewer"]}, **more}
    data = {"people": PEOPLE, "rules": [asks, other]}
    found = "rules 1 and 2: sara would need 1 others whom both of them take, and there are 0"
    assert (found in wrong(data)) is refused
    assert found not in wrong({**data, "groups": {"S0ONCALL": ["viewer"]}})


def restoring(**arguments: Any) -> Wish:
    return replace(RESTORE, arguments={"backup": "b1", "database": "shop", "source": "", **arguments})


COPIES = {"allow": ["viewer"], "may": "destroy", "commands": ["restore"], "arguments": {"database": "/shop_.+/"},
          "approvals": {"count": 1, "from": ["lead"]}}  # fmt: skip


def test_a_rule_for_some_arguments_allows_plans_with_these_and_no_others() -> None:
    known = made(COPIES)
    assert known.need(LEILA, restoring(database="shop_copy")) == Need(1, frozenset({"sara", "omid"}))
    for other in ("shop", "my_shop_copy", "shop_", "shop_copy\n"):
        assert isinstance(known.need(LEILA, restoring(database=other)), Text), other


def test_a_plan_that_does_not_say_an_argument_is_judged_by_what_asks_for_more() -> None:
    people = {**PEOPLE, "leila": {"slack": ["U0LEILA"], "roles": ["viewer", "operator"]}}
    asks_nobody = {"allow": ["lead"], "may": "destroy", "commands": ["rotate"], "arguments": {"emergency": "false"}}
    asks_others = {**asks_nobody, "allow": ["operator"], "approvals": {"count": 1, "from": ["lead"]}}
    rotating = Wish(Permission.DESTROY, "rotate.run", "jwt", "C0OPS", arguments={})
    assert isinstance(made(asks_nobody).need(SARA, rotating), Text)
    assert made(asks_others, people=people).need(LEILA, rotating) == Need(1, frozenset({"sara", "omid"}))
    known = made(asks_nobody)
    assert known.need(SARA, replace(rotating, arguments={"emergency": False})) == Need()
    assert isinstance(known.need(SARA, replace(rotating, arguments={"emergency": True})), Text)


def test_what_is_not_known_yet_is_judged_when_it_is() -> None:
    assert made(COPIES).need(LEILA, RESTORE) == Need(1, frozenset({"sara", "omid"}))


def test_every_argument_a_rule_may_ask_for_is_one_of_a_plan() -> None:
    assert {each.name for each in fields(RestorePlan)} >= ARGUMENTS["restore"]
    assert {each.name for each in fields(RotationPlan)} >= ARGUMENTS["rotate"]
    assert "database" in {each.name for each in fields(UndoPlan)}


def test_two_ids_of_one_person_are_one_and_the_asker_never_counts() -> None:
    known, need = made(), Need(1, frozenset({"omid", "sara"}))
    assert known.agreed(SARA, need, [SARA]) == 0
    assert known.agreed(OMID, need, [OMID, OMID_TOO]) == 0
    assert known.agreed(SARA, need, [SARA, OMID, OMID_TOO]) == 1
    assert known.agreed(SARA, need, [SARA, LEILA, NOBODY]) == 0


def test_the_version_changes_with_every_word_that_counts() -> None:
    first = made().version
    assert made().version == first
    assert made({"allow": ["lead"], "may": "read"}).version != first
    some = [made({**COPIES, "arguments": {"database": each}}).version for each in ("shop_a", "shop_b", "/shop_a/")]
    assert len({first, *some}) == 4
    promoted = {**PEOPLE, "leila": {"slack": ["U0LEILA"], "roles": ["viewer", "lead"]}}
    assert made(people=promoted).version != first


PEOPLE_WRONG = {
    "no id": ({"sara": {"slack": [], "roles": ["x"]}}, "expected Slack ids"),
    "a name as id": ({"sara": {"slack": ["sara"], "roles": ["x"]}}, "expected Slack ids"),
    "an id twice": ({**PEOPLE, "twin": {"slack": ["U0SARA"], "roles": ["viewer"]}}, "already sara"),
    "an unknown key": ({"sara": {"slack": ["U0SARA"], "roles": ["x"], "admin": True}}, "expected `slack` and `roles`"),
    "nobody": ({}, "at least one person"),
}
RULES_WRONG = {
    "empty allow": ({"allow": [], "may": "read"}, "names of roles"),
    "an unknown role": ({"allow": ["root"], "may": "read"}, "nobody has the role root"),
    "an unknown level": ({"allow": ["lead"], "may": "all"}, "may is one of"),
    "an unknown key": ({"allow": ["lead"], "may": "read", "unless": []}, "rule 4: expected"),
    "an unknown command": ({"allow": ["lead"], "may": "read", "commands": ["rm"]}, "no command rm"),
    "no targets": ({"allow": ["lead"], "may": "read", "targets": []}, "targets: expected a list"),
    "arguments of no command": (
        {"allow": ["lead"], "may": "destroy", "arguments": {"database": "shop"}},
        "name the commands they are of",
    ),
    "arguments of one command for two": (
        {"allow": ["lead"], "may": "destroy", "commands": ["restore", "rotate"], "arguments": {"database": "shop"}},
        "name the commands they are of",
    ),
    "a misspelled argument": (
        {"allow": ["lead"], "may": "destroy", "commands": ["restore"], "arguments": {"databse": "shop"}},
        "arguments of these commands backup, database, source",
    ),
    "no arguments": (
        {"allow": ["lead"], "may": "destroy", "commands": ["restore"], "arguments": {}},
        "expected a mapping of arguments",
    ),
    "an argument that is no expression": (
        {"allow": ["lead"], "may": "destroy", "commands": ["restore"], "arguments": {"database": "/(/"}},
        "database is neither a word nor a regular expression",
    ),
    "an argument that is no text": (
        {"allow": ["lead"], "may": "destroy", "commands": ["restore"], "arguments": {"database": 1}},
        "database is neither a word nor a regular expression",
    ),
    "an argument that may be anything": (
        {"allow": ["lead"], "may": "destroy", "commands": ["restore"], "arguments": {"database": "/.*/"}},
        "database fits anything",
    ),
    "approvals of none": (
        {"allow": ["lead"], "may": "destroy", "approvals": {"count": 0, "from": ["lead"]}},
        "from 1 to",
    ),
    "approvals with a key nobody knows": (
        {"allow": ["lead"], "may": "destroy", "approvals": {"count": 1, "from": ["lead"], "form": ["lead"]}},
        "rule 4, approvals: expected `count` and `from`",
    ),
    "approvals from nobody said": (
        {"allow": ["lead"], "may": "destroy", "approvals": {"count": 1}},
        "rule 4, approvals: expected `count` and `from`",
    ),
    "approvals as a number": (
        {"allow": ["lead"], "may": "destroy", "approvals": 1},
        "rule 4, approvals: expected `count` and `from`",
    ),
    "approvals for reading": (
        {"allow": ["lead"], "may": "read", "approvals": {"count": 1, "from": ["lead"]}},
        "for what destroys",
    ),
    "nobody else could agree": (
        {"allow": ["lead"], "may": "destroy", "approvals": {"count": 2, "from": ["lead"]}},
        "sara would need 2 others to agree, and there are 1",
    ),
}


@pytest.mark.parametrize(("people", "why"), PEOPLE_WRONG.values(), ids=PEOPLE_WRONG)
def test_people_who_are_wrong_are_refused_by_name(people: object, why: str) -> None:
    assert why in wrong({"people": people, "rules": RULES})


@pytest.mark.parametrize(("rule", "why"), RULES_WRONG.values(), ids=RULES_WRONG)
def test_a_rule_that_is_wrong_is_refused_by_number(rule: dict[str, Any], why: str) -> None:
    assert why in wrong({"people": PEOPLE, "rules": [*RULES, rule]})


NIGHT = {"name": "night", "from": "22:00", "to": "06:00", "zone": "UTC"}
GLASS = {"people": ["sara"], "minutes": 30}
MORE_WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown part": ({"extra": 1}, "expected a mapping with"),
    "no groups": ({"groups": {}}, "ids of Slack user groups"),
    "a name as group": ({"groups": {"@on-call": ["lead"]}}, "ids of Slack user groups"),
    "a group without roles": ({"groups": {"S0ONCALL": []}}, "expected names of roles"),
    "no freezes": ({"freezes": []}, "at least one freeze"),
    "a freeze without a zone": (
        {"freezes": [{"name": "x", "from": "22:00", "to": "06:00"}]},
        "freeze 1: expected name",
    ),
    "a freeze whose name is none": ({"freezes": [{**NIGHT, "name": "Night!"}]}, "freeze 1: a name is"),
    "an unknown zone": ({"freezes": [{**NIGHT, "zone": "Mars/Olympus"}]}, "the name of a time zone"),
    "a zone as a path": ({"freezes": [{**NIGHT, "zone": "../../etc/passwd"}]}, "the name of a time zone"),
    "a time that YAML made a number": ({"freezes": [{**NIGHT, "from": 1320}]}, "in quotes"),
    "a freeze of reading": ({"freezes": [{**NIGHT, "may": "read"}]}, "may is destroy, or operate"),
    "an unknown role overrides": ({"freezes": [{**NIGHT, "override": ["root"]}]}, "nobody has the role root"),
    "an unknown command is frozen": ({"freezes": [{**NIGHT, "commands": ["rm"]}]}, "no command rm"),
    "a freeze that stops nobody": (
        {"freezes": [{**NIGHT, "override": ["operator"]}]},
        "everybody whom it is for may override",
    ),
    "a glass without minutes": ({"break_glass": {"people": ["sara"]}}, "break_glass: expected"),
    "a glass for a day": ({"break_glass": {**GLASS, "minutes": 1440}}, "from 5 to 240"),
    "a glass for nobody": ({"break_glass": {**GLASS, "people": []}}, "expected names of people"),
    "a glass for a stranger": ({"break_glass": {**GLASS, "people": ["eve"]}}, "nobody is called eve"),
    "a glass for a role": ({"break_glass": {**GLASS, "people": ["lead"]}}, "nobody is called lead"),
    "a glass that opens nothing": ({"break_glass": {**GLASS, "people": ["leila"]}}, "no rule lets leila do any of it"),
    "a glass for second factors": ({"break_glass": {**GLASS, "commands": ["access"]}}, "by somebody else, always"),
}


@pytest.mark.parametrize(("more", "why"), MORE_WRONG.values(), ids=MORE_WRONG)
def test_what_else_a_file_may_say_is_refused_when_it_is_wrong(more: dict[str, Any], why: str) -> None:
    assert why in wrong({"people": PEOPLE, "rules": RULES, **more})


def test_a_glass_where_nobody_need_agree_and_nothing_is_frozen_is_refused() -> None:
    rules = [{"allow": ["operator"], "may": "destroy"}]
    assert "nothing to break" in wrong({"people": PEOPLE, "rules": rules, "break_glass": GLASS})
    assert wrong({"people": PEOPLE, "rules": rules, "break_glass": GLASS, "freezes": [NIGHT]}) == ""


@pytest.mark.parametrize(
    ("lax", "why"),
    [
        ({"allow": ["viewer"], "may": "destroy"}, "rule 4: it lets leila do with 0 others what rule 3 asks 1 for"),
        ({"allow": ["viewer"], "may": "destroy", "targets": ["shop"]}, "it lets leila"),
        ({"allow": ["viewer"], "may": "destroy", "commands": ["restore"], "channels": ["C0OPS"]}, "it lets leila"),
        (
            {"allow": ["viewer"], "may": "destroy", "commands": ["restore"], "arguments": {"backup": "b1"}},
            "it lets leila",
        ),
    ],
    ids=["everything", "the target", "the command", "an argument"],
)
def test_a_rule_by_which_one_person_finishes_what_another_asks_two_for_is_refused(
    lax: dict[str, Any], why: str
) -> None:
    assert why in wrong({"people": PEOPLE, "rules": [*RULES, lax]})


@pytest.mark.parametrize(
    ("groups", "alone"),
    [
        ({"S0NIGHT": ["breaker"]}, ["leila", "omid", "sara"]),
        ({"S0NIGHT": ["breaker", "operator"]}, []),
        ({"S0NIGHT": ["breaker", "operator"], "S0DAY": ["breaker"]}, ["leila", "omid", "sara"]),
    ],
    ids=["alone by the group", "the group asks two as well", "alone by another group"],
)
def test_a_user_group_is_no_way_around_a_rule_that_asks_two(groups: dict[str, list[str]], alone: list[str]) -> None:
    people = {name: {**each, "roles": ["viewer", "lead"]} for name, each in PEOPLE.items()}
    strict, lax = {**RULES[2], "allow": ["operator"]}, {"allow": ["breaker"], "may": "destroy"}
    giving = {**groups, "S0OPS": ["operator"]}
    said = wrong({"people": people, "rules": [strict, lax], "groups": giving})
    assert sorted(re.findall(r"rule 2: it lets (\w+) do with 0 others", said)) == alone


def test_a_freeze_that_stops_whoever_a_user_group_lets_in_is_no_illusion() -> None:
    freeze = {**NIGHT, "override": ["lead"]}
    people = {"sara": {"slack": ["U0SARA"], "roles": ["lead"]}, "leila": {"slack": ["U0LEILA"], "roles": ["viewer"]}}
    rules = [{"allow": ["lead", "operator"], "may": "destroy"}]
    known = {"people": people, "rules": rules, "freezes": [freeze]}
    assert "everybody whom it is for may override" in wrong(known)
    assert wrong({**known, "groups": {"S0OPS": ["operator"]}}) == ""
    assert "everybody whom it is for may override" in wrong({**known, "groups": {"S0OPS": ["operator", "lead"]}})


def test_a_rule_that_asks_two_in_one_channel_only_is_refused() -> None:
    strict = {**RULES[2], "channels": ["C0OPS"]}
    lax = {"allow": ["operator"], "may": "destroy"}
    assert "in other channels it lets omid" in wrong({"people": PEOPLE, "rules": [*RULES[:2], strict, lax]})
    assert wrong({"people": PEOPLE, "rules": [*RULES[:2], strict, {**lax, "channels": ["C0OPS"]}]}) == ""


@pytest.mark.parametrize(
    "lax",
    [
        {"allow": ["viewer"], "may": "operate"},
        {"allow": ["viewer"], "may": "destroy", "commands": ["rotate"]},
        {"allow": ["viewer"], "may": "destroy", "targets": ["wiki"]},
        {"allow": ["viewer"], "may": "destroy", "approvals": {"count": 1, "from": ["lead"]}},
    ],
    ids=["destroys nothing", "another command", "another target", "asks two as well"],
)
def test_a_rule_about_something_else_is_no_way_around(lax: dict[str, Any]) -> None:
    assert wrong({"people": PEOPLE, "rules": [*RULES, lax]}) == ""


def test_a_user_group_gives_roles_to_people_of_the_file_and_to_nobody_else() -> None:
    known, problems = policy_data.read(
        {"people": PEOPLE, "rules": RULES, "groups": {"S0ONCALL": ["operator"], "S0LEADS": ["lead"]}}
    )
    assert problems == ()
    assert isinstance(known.need(LEILA, RESTORE), Text)
    joined = known.joined({"S0ONCALL": frozenset({"U0LEILA", "U0XX"})})
    assert joined.need(LEILA, RESTORE) == Need(1, frozenset({"omid", "sara"}))
    assert "does not name you" in str(joined.need(NOBODY, RESTORE))
    assert joined.version == known.version
    assert known.joined({}).need(LEILA, RESTORE) == known.need(LEILA, RESTORE)


class Book:
    """One file."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    def current(self) -> Rules:
        return self.rules


@pytest.mark.parametrize(
    ("groups", "need"),
    [({"groups": {"S0ONCALL": ["operator"]}}, Need(1, frozenset({"omid", "sara"}))), ({}, None)],
    ids=["a group of the file", "no groups in the file"],
)
def test_who_joins_a_user_group_may_at_once_what_the_file_gives_it(groups: dict[str, Any], need: Need | None) -> None:
    known, problems = policy_data.read({"people": PEOPLE, "rules": RULES, **groups})
    assert problems == ()
    members: dict[str, frozenset[str]] = {}
    book = JoinedRules(Book(known), lambda: members)
    assert isinstance(book.current().need(LEILA, RESTORE), Text)
    members["S0ONCALL"] = frozenset({"U0LEILA"})
    found = book.current().need(LEILA, RESTORE)
    assert (None if isinstance(found, Text) else found) == need


def test_two_accounts_of_one_person_in_a_group_are_still_one() -> None:
    people = {**PEOPLE, "omid": {"slack": ["U0OMID", "W0OMID"], "roles": ["operator"]}}
    known, problems = policy_data.read({"people": people, "rules": RULES, "groups": {"S0LEADS": ["lead"]}})
    assert problems == ()
    joined = known.joined({"S0LEADS": frozenset({"U0OMID", "W0OMID", "U0SARA"})})
    assert joined.agreed(OMID, Need(1, frozenset({"omid", "sara"})), [OMID, OMID_TOO]) == 0


def test_the_version_changes_with_groups_freezes_and_the_glass() -> None:
    versions = set()
    for more in ({}, {"groups": {"S0A": ["lead"]}}, {"freezes": [NIGHT]}, {"break_glass": GLASS}):
        known, problems = policy_data.read({"people": PEOPLE, "rules": RULES, **more})
        assert problems == ()
        versions.add(known.version)
    assert len(versions) == 4


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


MAYBE = {name: JUNK | st.lists(JUNK, max_size=2) for name in ("groups", "freezes", "break_glass")}


@given(
    st.fixed_dictionaries(
        {"people": JUNK | st.just(PEOPLE), "rules": JUNK | st.lists(JUNK, max_size=2) | st.just(RULES)}, optional=MAYBE
    )
    | JUNK
)
def test_whatever_is_in_the_file_ends_in_rules_or_problems(data: object) -> None:
    found, problems = policy_data.read(data)
    assert problems or found.rules


def test_a_glass_after_which_nobody_else_could_look_is_refused() -> None:
    alone = {"sara": PEOPLE["sara"]}
    rules = [{"allow": ["operator"], "may": "destroy"}]
    assert "nobody else to look at it afterwards" in wrong(
        {"people": alone, "rules": rules, "freezes": [NIGHT], "break_glass": GLASS}
    )


# -- freezes and the glass, as the rules judge them ------------------------------------------------------------

DAY, DARK = datetime(2026, 11, 24, 12, tzinfo=UTC), datetime(2026, 11, 24, 3, tzinfo=UTC)
FREE: list[dict[str, Any]] = [{"allow": ["operator", "viewer"], "may": "destroy"}]
TWO: list[dict[str, Any]] = [
    {"allow": ["operator", "viewer"], "may": "destroy", "approvals": {"count": 1, "from": ["lead"]}}
]


def ruled(rules: list[dict[str, Any]] = FREE, **more: Any) -> Rules:
    found, problems = policy_data.read({"people": PEOPLE, "rules": rules, **more})
    assert problems == ()
    return found


def wish(
    operation: str = "restore.run", may: Permission = Permission.DESTROY, target: str = "shop", at: Any = DARK
) -> Wish:
    return Wish(may, operation, target, "C0OPS", at)


def held(known: Rules, asked: Wish, person: PersonId = LEILA) -> str:
    """Why it is frozen; empty: it is not."""
    need = known.need(person, asked)
    return str(need) if isinstance(need, Text) else str(need.frozen or "")


def test_a_freeze_holds_in_its_time_only_and_says_until_when_and_whom_it_does_not_stop() -> None:
    known = ruled(freezes=[{**NIGHT, "override": ["operator"]}])
    until = "This is frozen until 2026-11-24 06:00:00 UTC by night in the policy."
    assert held(known, wish()) == f"{until} It does not stop omid, sara."
    assert held(known, wish(at=DAY)) == ""
    assert held(known, wish(at=None)) == ""
    assert held(known, wish(), SARA) == ""
    assert held(ruled(freezes=[NIGHT]), wish()) == until


@pytest.mark.parametrize("count", [5, 6])
def test_of_those_whom_a_freeze_does_not_stop_five_are_named(count: int) -> None:
    chiefs = {f"p{n}": {"slack": [f"U0P{n}"], "roles": ["viewer", "chief"]} for n in range(count)}
    people: dict[str, Any] = {**PEOPLE, **chiefs}
    found, problems = policy_data.read({"people": people, "rules": FREE, "freezes": [{**NIGHT, "override": ["chief"]}]})
    assert problems == ()
    assert held(found, wish()).endswith("It does not stop p0, p1, p2, p3, p4.")


def test_of_two_freezes_the_one_that_ends_last_is_said() -> None:
    longer = {**NIGHT, "name": "longer", "to": "09:00"}
    for freezes in ([NIGHT, longer], [longer, NIGHT]):
        assert "09:00:00 UTC by longer" in held(ruled(freezes=freezes), wish())


@pytest.mark.parametrize(
    ("freeze", "asked", "stopped"),
    [
        ({}, wish(may=Permission.OPERATE), False),
        ({}, wish(may=Permission.READ), False),
        ({"may": "operate"}, wish(may=Permission.OPERATE), True),
        ({"may": "operate"}, wish(), True),
        ({"may": "operate"}, wish(may=Permission.READ), False),
        ({}, wish("access.admit"), False),
        ({}, wish("backup.run"), True),
        ({"commands": ["access"]}, wish("access.admit"), True),
        ({"commands": ["access"]}, wish(), False),
        ({"commands": ["restore"]}, wish(), True),
        ({"commands": ["restore"]}, wish("rotate.run"), False),
        ({"targets": ["shop"]}, wish(), True),
        ({"targets": ["shop"]}, wish(target=""), True),
        ({"targets": ["shop"]}, wish(target="wiki"), False),
    ],
    ids=str,
)
def test_a_freeze_stops_what_it_is_for(freeze: dict[str, Any], asked: Wish, stopped: bool) -> None:
    known = ruled(freezes=[{**NIGHT, **freeze}])
    assert bool(held(known, asked)) is stopped
    assert bool(known.frozen(asked)) is stopped


@pytest.mark.parametrize(
    ("glass", "asked", "minutes"),
    [
        ({}, wish(at=None), 30),
        ({}, wish(may=Permission.OPERATE, at=None), 0),
        ({}, wish("access.admit", at=None), 0),
        ({"commands": ["restore"]}, wish(at=None), 30),
        ({"commands": ["restore"]}, wish("rotate.run", at=None), 0),
        ({"targets": ["shop"]}, wish(at=None), 30),
        ({"targets": ["shop"]}, wish(target="", at=None), 30),
        ({"targets": ["shop"]}, wish(target="wiki", at=None), 0),
        ({"people": ["omid"]}, wish(at=None), 0),
    ],
    ids=str,
)
def test_the_glass_is_for_its_people_and_what_it_names(glass: dict[str, Any], asked: Wish, minutes: int) -> None:
    need = ruled(TWO, break_glass={**GLASS, **glass}).need(SARA, asked)
    assert isinstance(need, Need)
    assert need.alone == minutes
    assert need.approvers == (frozenset({"omid"}) if asked.permission is Permission.DESTROY else frozenset())


def test_where_nobody_need_agree_the_glass_is_for_what_is_frozen() -> None:
    known = ruled(freezes=[NIGHT], break_glass=GLASS)
    frozen, free = known.need(SARA, wish()), known.need(SARA, wish(at=DAY))
    assert isinstance(frozen, Need)
    assert (frozen.approvals, frozen.alone, "frozen until" in str(frozen.frozen)) == (0, 30, True)
    assert free == Need()
    assert "frozen until" in held(known, wish(), OMID)


@pytest.mark.parametrize("count", [5, 6])
def test_who_may_not_hears_of_five_who_may(count: int) -> None:
    chiefs = {f"p{n}": {"slack": [f"U0P{n}"], "roles": ["chief"]} for n in range(count)}
    people: dict[str, Any] = {**PEOPLE, **chiefs}
    found, problems = policy_data.read({"people": people, "rules": [{"allow": ["chief"], "may": "destroy"}]})
    assert problems == ()
    others = " and others" if count > 5 else ""
    assert str(found.need(LEILA, wish())) == (
        f"The policy does not let you do this. It lets p0, p1, p2, p3, p4{others}."
    )


def test_what_nobody_may_is_said_so_and_in_the_right_channel_only_where_there_is_one() -> None:
    known = ruled([{"allow": ["operator"], "may": "read", "channels": ["C0ELSE"]}])
    assert str(known.need(SARA, wish())) == "The policy lets nobody do this."
    assert str(known.need(SARA, wish(may=Permission.READ))) == "The policy allows this in another channel only."
    assert known.need(SARA, Wish(Permission.READ, "backup.ask")) == Need()
    assert known.who_can(Wish(Permission.READ, "backup.ask")) == (("sara", Need()), ("omid", Need()))


def test_a_freeze_of_one_time_ends_when_the_file_says() -> None:
    once = {"name": "launch", "from": "2026-11-24 02:00", "to": "2026-11-24 04:30", "zone": "UTC"}
    assert "until 2026-11-24 04:30:00 UTC by launch" in held(ruled(freezes=[once]), wish())
    assert held(ruled(freezes=[once]), wish(at=DAY)) == ""


def test_who_can_leaves_out_whom_a_freeze_stops() -> None:
    known = ruled(freezes=[{**NIGHT, "override": ["operator"]}])
    assert [name for name, _ in known.who_can(wish())] == ["sara", "omid"]
    assert [name for name, _ in known.who_can(wish(at=DAY))] == ["sara", "omid", "leila"]
