"""The policy: who may do what. Default deny; a reason always comes with a no.

- Only full members of the bot's own workspace are heard; guests, bots, deactivated and unknown people are not.
- `READ` shows; `OPERATE` adds (a backup), or does what the schedule does anyway (removing copies that retention lets
  go); `DESTROY` replaces or removes what people need, and wants an enrolled second factor.
- An operation nobody listed is refused.
- The terminal and the schedule act on the host: whoever holds the host may read and back up. To destroy, the
  terminal needs a person and their code like everybody else; the schedule never destroys.
"""

from __future__ import annotations

from enum import Enum
from typing import assert_never

from handlers.core.ports import Standing
from handlers.core.words.answers import Actor, Surface
from handlers.core.words.text import Text


class Permission(Enum):
    """How much an operation can do."""

    READ = "read"
    OPERATE = "operate"
    DESTROY = "destroy"


def refused(actor: Actor, standing: Standing, permission: Permission | None, *, enrolled: bool) -> Text | None:
    """Why not; None when it is allowed."""
    if permission is None:
        return Text("Nobody may do that: the policy does not list it.")
    match actor.surface:
        case Surface.SLACK:
            unheard = _unheard(standing)
            if unheard is not None:
                return unheard
        case Surface.SCHEDULE:
            if permission is Permission.DESTROY:
                return Text("A schedule never replaces or removes data.")
        case Surface.TERMINAL:
            pass
        case _:
            assert_never(actor.surface)
    if permission is Permission.DESTROY and not enrolled:
        return Text(
            "This needs a second factor, and you have none yet. Open my Home tab and press *Set up my second factor*; "
            "or ask whoever runs the bot to type `python -m bot enroll {person}` on its host.",
            person=actor.person,
        )
    return None


def _unheard(standing: Standing) -> Text | None:
    match standing:
        case "guest":
            return Text("Guests cannot use this bot. Ask a full member of the workspace.")
        case "bot":
            return Text("Bots cannot use this bot.")
        case "gone":
            return Text("This account is deactivated.")
        case "unknown":
            return Text("Slack did not say who you are, so nothing was done. Try again in a minute.")
        case "member":
            return None
        case _:
            assert_never(standing)
