"""Data keys: what a program encrypts a part of its data with, and how much of the data is under which key.

- The program counts and re-encrypts itself. The bot asks it, by the ids of keys; data never comes to the bot.
- A key of which nobody knows whether something is under it counts as needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from handlers.core.rotation.secrets import Kind, Secret


@dataclass(frozen=True, slots=True)
class KeyCounts:
    """What a program says of its data. `active`: the key it writes under; `keys`: how many pieces are under each;
    `opens`: the keys it tried and that open what is under them."""

    active: str
    keys: Mapping[str, int]
    opens: frozenset[str]

    @property
    def used(self) -> frozenset[str]:
        """The keys that something is under."""
        return frozenset(key for key, count in self.keys.items() if count)

    @property
    def left(self) -> int:
        """How many pieces are not under the active key."""
        return sum(count for key, count in self.keys.items() if key != self.active)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step of a re-encryption did. `unreadable`: pieces that no key opens, left as they are; `after`: where
    the next step goes on, empty when this was the last one."""

    moved: int
    unreadable: int
    after: str


def guards_data(secret: Secret, target: str = "") -> bool:
    """Whether it encrypts data; of that target, when one is named."""
    if secret.kind is not Kind.ENCRYPTION_KEY:
        return False
    return not target or not secret.targets or target in secret.targets
