"""Who may do what in the stand-in: Roles, as RBAC has them. Whoever has no rule for it is answered 403."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sandbox.kube.objects import Refused

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as RBAC sees it."""

    group: str
    resource: str
    verb: str
    namespace: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose token it is. `rules`: of a Role in `namespace`; None: may do everything, everywhere."""

    name: str
    namespace: str = ""
    rules: Sequence[dict[str, Any]] | None = None

    def check(self, asked: Asked) -> None:
        """Raises Refused. A rule with resourceNames never fits a request that names nothing: create and list."""
        if self.rules is None or (self.namespace == asked.namespace and any(_fits(rule, asked) for rule in self.rules)):
            return
        named = f' "{asked.name}"' if asked.name else ""
        raise Refused(
            403,
            f'{asked.resource}{named} is forbidden: User "{self.name}" cannot {asked.verb} resource '
            f'"{asked.resource}" in API group "{asked.group}" in the namespace "{asked.namespace}"',
        )


def _fits(rule: dict[str, Any], asked: Asked) -> bool:
    names = rule.get("resourceNames") or ()
    return (
        asked.group in rule["apiGroups"]
        and asked.resource in rule["resources"]
        and asked.verb in rule["verbs"]
        and (not names or asked.name in names)
    )
