"""The example of a policy file can be used as it stands, and says what its comments say."""

from __future__ import annotations

from pathlib import Path

from bot.adapters import yaml_file
from bot.adapters.policy_file import PolicyFile
from handlers.core.policy import Permission
from handlers.core.rules import Need, Wish

EXAMPLE = Path(__file__).parents[2] / "deploy" / "policy.example.yaml"


def test_the_example_lets_two_restore_and_asks_for_another_lead() -> None:
    rules = PolicyFile(EXAMPLE, yaml_file.read).current()
    found = dict(rules.who_can(Wish(Permission.DESTROY, "restore", "shop")))
    assert found == {"sara": Need(1, frozenset({"leila"})), "omid": Need(1, frozenset({"sara", "leila"}))}
    readers = {name for name, _ in rules.who_can(Wish(Permission.READ, "health"))}
    assert readers == {"sara", "omid", "leila", "babak"}
