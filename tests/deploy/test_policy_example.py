"""The example of a policy file can be used as it stands, and says what its comments say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bot.adapters import yaml_file
from bot.adapters.policy_file import PolicyFile
from handlers.core.door import policy_data
from handlers.core.door.policy import Permission
from handlers.core.door.rules import ARGUMENTS, COMMANDS, LEVELS, Need, Wish
from tests.handlers.test_rules import COPIES, GLASS, MORE_WRONG, NIGHT, PEOPLE, PEOPLE_WRONG, RULES, RULES_WRONG

DEPLOY = Path(__file__).parents[2] / "deploy"
EXAMPLE = DEPLOY / "policy.example.yaml"
SCHEMA: dict[str, Any] = json.loads((DEPLOY / "policy.schema.json").read_text())
# What only the reader of the file can know: what others of the file say, and what exists.
JUDGED = {
    "an id twice", "an unknown role", "nobody else could agree", "an unknown zone", "a zone as a path",
    "an unknown role overrides", "a freeze that stops nobody", "a glass for a stranger", "a glass for a role",
    "a glass that opens nothing", "a glass for second factors", "arguments of one command for two",
    "an argument that is no expression", "an argument that may be anything",
}  # fmt: skip
WRONG = {
    **{name: {"people": people, "rules": RULES} for name, (people, _) in PEOPLE_WRONG.items()},
    **{name: {"people": PEOPLE, "rules": [*RULES, rule]} for name, (rule, _) in RULES_WRONG.items()},
    **{name: {"people": PEOPLE, "rules": RULES, **more} for name, (more, _) in MORE_WRONG.items()},
}


def fits(data: object) -> bool:
    return jsonschema.Draft202012Validator(SCHEMA).is_valid(data)


def test_an_editor_takes_the_example_and_whatever_a_policy_may_say() -> None:
    assert fits(yaml_file.read(EXAMPLE))
    whole = {"people": PEOPLE, "rules": [*RULES, COPIES], "groups": {"S0ON": ["lead"]}, "freezes": [NIGHT],
             "break_glass": GLASS}  # fmt: skip
    assert policy_data.read(whole)[1] == ()
    assert fits(whole)


@pytest.mark.parametrize("name", WRONG)
def test_an_editor_marks_what_the_bot_refuses_unless_only_the_bot_can_know(name: str) -> None:
    assert policy_data.read(WRONG[name])[1] != ()
    assert fits(WRONG[name]) is (name in JUDGED)


def test_the_schema_knows_the_same_words() -> None:
    rule = SCHEMA["properties"]["rules"]["items"]["properties"]
    assert set(SCHEMA["$defs"]["commands"]["items"]["enum"]) == COMMANDS
    assert rule["may"]["enum"] == [each.value for each in LEVELS]
    assert set(rule["arguments"]["propertyNames"]["enum"]) == frozenset().union(*ARGUMENTS.values())


def test_the_example_lets_two_restore_and_asks_for_another_lead() -> None:
    rules = PolicyFile(EXAMPLE, yaml_file.read).current()
    found = dict(rules.who_can(Wish(Permission.DESTROY, "restore", "shop")))
    assert found == {"sara": Need(1, frozenset({"leila"})), "omid": Need(1, frozenset({"sara", "leila"}), alone=30)}
    readers = {name for name, _ in rules.who_can(Wish(Permission.READ, "health"))}
    assert readers == {"sara", "omid", "leila", "babak"}
