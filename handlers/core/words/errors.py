"""What can go wrong, as a tree:

    Problem
    ├── Refusal                  the person's turn: shown to them as written; nothing was changed
    │   └── Cancelled            a person asked to stop
    ├── OutsideError(permanent)  a system outside failed; trying again may help unless `permanent`
    └── Damage                   a promise broke: data is not what it should be; somebody must look

- Each carries a `Text`: what happened and what to do next, never a secret.
- Adapters translate every vendor exception into one of these, with `raise … from`.
"""

from __future__ import annotations

from handlers.core.words.text import Text


class Problem(Exception):
    """Something a person will read about."""

    def __init__(self, text: Text) -> None:
        super().__init__(str(text))
        self.text = text


class Refusal(Problem):
    """The request cannot be done as asked; the person can change it and ask again."""


class Cancelled(Refusal):
    """Somebody pressed cancel, and there was still time."""


class OutsideError(Problem):
    """A system outside did not do its part. `permanent`: asking it again will not help."""

    def __init__(self, text: Text, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent


class Damage(Problem):
    """Data or a record is not what it must be."""
