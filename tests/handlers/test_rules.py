"""The rules of a policy file: default deny, rules that only add up, people and not ids."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.core import rules
from handlers.core.answers import PersonId
from handlers.core.policy import Permission
from handlers.core.rules import Need, Rules, Wish
from handlers.core.text import Text

SARA, OMID, OMID_TOO, LEILA, NOBODY = (PersonId(each) for each in ("U0SARA", "U0OMID", "W0OMID", "U0LEILA", "U0XX"))
PEOPLE = {
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
    found, problems = rules.read({"people": people, "rules": [*RULES, *more]})
    assert problems == ()
    return found


def wrong(data: object) -> str:
    _, problems = rules.read(data)
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
    "approvals of none": (
        {"allow": ["lead"], "may": "destroy", "approvals": {"count": 0, "from": ["lead"]}},
        "from 1 to",
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


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.fixed_dictionaries({"people": JUNK | st.just(PEOPLE), "rules": JUNK | st.lists(JUNK, max_size=2)}) | JUNK)
def test_whatever_is_in_the_file_ends_in_rules_or_problems(data: object) -> None:
    found, problems = rules.read(data)
    assert problems or found.rules
