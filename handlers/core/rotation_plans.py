"""What a rotation would do, frozen; and what the journals say of a secret now.

- A plan names the version that is current and the digest of the secret's entry in the file: if either is different when
  the work begins, nothing is done.
- The id of a new version follows from the job and the phase, so that whoever goes on after a crash knows it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from handlers.core.answers import JobId
from handlers.core.digests import Json, digest
from handlers.core.ports import ArtifactStore
from handlers.core.rotation_journals import journals
from handlers.core.secrets import Kind, Secret

ACCEPT, SIGN, DROP, REPLACE = "accept", "sign", "drop", "replace"


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """`of`: the rotation that is retired or rolled back. `to`: the version a rollback goes back to. `removes`: versions
    that are destroyed in the end. `emergency`: no overlap."""

    secret: str
    entry: str
    current: str
    phases: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    of: str = ""
    to: str = ""
    emergency: bool = False

    def arguments(self) -> dict[str, Json]:
        """As in a Plan."""
        given = {each.name: getattr(self, each.name) for each in fields(self)}
        return given | {"phases": list(self.phases), "removes": list(self.removes)}

    @staticmethod
    def of_arguments(data: Mapping[str, Any]) -> RotationPlan:
        """Raises KeyError or TypeError for what is no such plan."""
        return RotationPlan(**{**data, "phases": tuple(data["phases"]), "removes": tuple(data["removes"])})


@dataclass(frozen=True, slots=True)
class Soaking:
    """A rotation whose old value is still kept. `until`: before that nothing is retired. `first`: the version it began
    from; `back`: the one a rollback goes to; `now`: the one it made; `kept`: all that are kept for it."""

    of: str
    until: datetime
    first: str
    back: str
    now: str
    kept: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Past:
    """What the journals say. `turned`: when the secret was last given a new value by a rotation that stands.
    `unfinished`: a rotation somebody must look after; `needs`: one that ended so."""

    turned: datetime | None = None
    soaking: Soaking | None = None
    unfinished: str = ""
    needs: str = ""


def entry(secret: Secret) -> str:
    """The digest of a secret's entry in the file."""
    return digest("secret", {"secret": repr(secret)})


def version_id(job: str, phase: str) -> str:
    """32 to 64 characters; people see its beginning."""
    return f"{job[:26]}-{phase}-{digest('version', {'job': job, 'phase': phase})[:20]}"


def shown(version: str) -> str:
    """What people see of a version."""
    job, _, rest = version.partition("-")
    return f"{job[:8]}-{rest.partition('-')[0]}" if rest and len(version) > 30 else version[:24]


def phases(secret: Secret, *, emergency: bool) -> tuple[str, ...]:
    """The versions a rotation makes, in their order."""
    if secret.kind is Kind.JWT and not secret.single_value and not emergency:
        return (ACCEPT, SIGN)
    return (REPLACE,)


def past(store: ArtifactStore, secret: str) -> Past:
    """Folds the journals of a secret. Raises OutsideError or Damage."""
    found = Past()
    for journal in journals(store, secret):
        end = journal.end
        if end is None:
            found = Past(found.turned, found.soaking, journal.job, found.needs)
            continue
        facts, at = end.facts, datetime.fromisoformat(end.at)
        match facts["state"]:
            case "soaking":
                found = Past(at, _soaking(journal.job, facts))
            case "retired":
                found = Past(at if not facts.get("of") else found.turned)
            case "rolled_back":
                found = Past(None if facts.get("of") else found.turned)
            case "needs":
                found = Past(found.turned, found.soaking, found.unfinished, journal.job)
            case _:
                pass
    return found


def _soaking(job: JobId, facts: Mapping[str, Any]) -> Soaking:
    until = datetime.fromisoformat(facts["until"])
    return Soaking(job, until, facts["first"], facts["back"], facts["made"], tuple(facts["kept"]))
