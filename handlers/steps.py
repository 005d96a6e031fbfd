"""The kinds of steps of a runbook: one table of what each takes, who may run it, and what it does.

- `manual` is for hands; the next four only look; the others do something and need more.
- Arguments are filled and typed here, before anything is done; a hostile label ends in a refusal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from handlers import deeds, looks
from handlers.core.door.policy import Permission
from handlers.core.runbooks import arguments
from handlers.core.runbooks.attempts import Result, StepState
from handlers.core.runbooks.runbooks import Argument, Shape, Step
from handlers.core.words.errors import OutsideError
from handlers.deeds import Call, Hands
from handlers.looks import Eyes

Look = Callable[[Eyes, Mapping[str, str], float], Result]
Deed = Callable[[Eyes, Hands, Call], Result]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. Neither look nor deed: it is done by hand."""

    shape: Shape
    permission: Permission
    look: Look | None = None
    deed: Deed | None = None


KINDS: Mapping[str, Kind] = {
    "manual": Kind(Shape(), Permission.OPERATE),
    "http": Kind(
        Shape(
            {
                "url": Argument("url"),
                "status": Argument("whole"),
                "body": Argument("text"),
                "within": Argument("number"),
            },
            seconds=10,
        ),
        Permission.READ,
        look=looks.http,
    ),
    "mongo": Kind(
        Shape(
            {
                "lag_seconds": Argument("number", default="10"),
                "window_hours": Argument("number"),
                "connections_left": Argument("whole", default="50"),
                "slow": Argument("whole"),
            },
            seconds=15,
        ),
        Permission.READ,
        look=looks.mongo,
    ),
    "network": Kind(
        Shape(
            {
                "address": Argument("address"),
                "place": Argument("name"),
                "tls": Argument("yes-or-no"),
                "days": Argument("whole"),
            },
            seconds=15,
        ),
        Permission.READ,
        look=looks.network,
    ),
    "promql": Kind(
        Shape(
            {
                "query": Argument("promql", required=True),
                "above": Argument("number"),
                "below": Argument("number"),
                "absent": Argument("yes-or-no"),
            },
            seconds=15,
        ),
        Permission.READ,
        look=looks.promql,
    ),
    "slack_token": Kind(
        Shape({"used": Argument("yes-or-no", default="no")}, seconds=15), Permission.READ, look=looks.slack_token
    ),
    "command": Kind(
        Shape({"program": Argument("name", required=True)}, seconds=120, more="text"),
        Permission.OPERATE,
        deed=deeds.command,
    ),
    "backup": Kind(Shape(seconds=3600), Permission.OPERATE, deed=deeds.backup),
    "silence": Kind(
        Shape({"minutes": Argument("whole", default="30")}, seconds=15), Permission.OPERATE, deed=deeds.silence
    ),
    "rollback": Kind(Shape(seconds=300, destroys=True), Permission.DESTROY, deed=deeds.rollback),
    "wait": Kind(Shape({"seconds": Argument("whole", required=True)}, seconds=3600), Permission.READ, deed=deeds.wait),
    "notify": Kind(
        Shape({"text": Argument("text", required=True), "channel": Argument("channel")}, seconds=15),
        Permission.OPERATE,
        deed=deeds.notify,
    ),
}

SHAPES: Mapping[str, Shape] = {name: replace(kind.shape, looks=kind.look is not None) for name, kind in KINDS.items()}


def needs(step: Step) -> Permission:
    """What running it needs."""
    return Permission.DESTROY if step.confirm else KINDS[step.kind].permission


def filled(step: Step, labels: Mapping[str, str]) -> dict[str, str]:
    """Its arguments with their values. Raises Refusal for one that does not fit."""
    shape = KINDS[step.kind].shape
    return {
        name: arguments.filled(name, argument.type, step.arguments[name], labels)
        for name, argument in shape.arguments.items()
        if name in step.arguments
    }


def perform(eyes: Eyes, hands: Hands, call: Call) -> Result:
    """Does it. Raises Refusal, and OutsideError only where it must stop; what could not be found out is UNKNOWN."""
    kind = KINDS[call.step.kind]
    if kind.look is not None:
        try:
            return kind.look(eyes, call.given, float(call.step.seconds))
        except OutsideError as error:
            return Result(StepState.UNKNOWN, error.text)
    assert kind.deed is not None  # noqa: S101 what is done by hand is no job
    return kind.deed(eyes, hands, call)
