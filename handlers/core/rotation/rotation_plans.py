"""What a rotation would do, frozen; and what the journals say of a secret now.

- A plan names the version that is current and the digest of the secret's entry in the file: if either is different when
  the work begins, nothing is done.
- The id of a new version follows from the job and the phase, so that whoever goes on after a crash knows it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from handlers.core.ports import ArtifactStore
from handlers.core.rotation.rotation_journals import journals
from handlers.core.rotation.secrets import Kind, Secret
from handlers.core.words.answers import JobId
from handlers.core.words.digests import Json, digest

ROTATE, RETIRE, ROLLBACK, REENCRYPT = "rotate.rotate", "rotate.retire", "rotate.rollback", "rotate.reencrypt"
PAUSE, CONTINUE = "rotate.pause", "rotate.continue"
ACCEPT, SIGN, DROP, REPLACE, WRITE = "accept", "sign", "drop", "replace", "write"


@dataclass(frozen=True, slots=True)
class RotationPlan:
    """`of`: the rotation that is retired, rolled back, paused or taken up. `to`: the version a rollback goes back to.
    `removes`: versions that are destroyed in the end. `emergency`: no overlap. `rested`: what is destroyed has not been
    accepted for a while already. `resumes`: what is done goes on in the journal of `of`, which is paused."""

    secret: str
    entry: str
    current: str
    phases: tuple[str, ...] = ()
    removes: tuple[str, ...] = ()
    of: str = ""
    to: str = ""
    emergency: bool = False
    rested: bool = False
    resumes: bool = False

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
    from; `back`: the one a rollback goes to; `now`: the one it made; `kept`: all that are kept for it. `rests`: they
    are not accepted any more, but could be again. `keys`: the ids of the keys of data that are retired with it."""

    of: str
    until: datetime
    first: str
    back: str
    now: str
    kept: tuple[str, ...]
    rests: bool = False
    keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Past:
    """What the journals say. `turned`: when the secret was last given a new value by a rotation that stands.
    `unfinished`: a rotation somebody must look after; `needs`: one that ended so; `paused`: one that rests, and since
    when."""

    turned: datetime | None = None
    soaking: Soaking | None = None
    unfinished: str = ""
    needs: str = ""
    paused: str = ""
    since: datetime | None = None


def entry(secret: Secret) -> str:
    """The digest of a secret's entry in the file."""
    return digest("secret", {"secret": repr(secret)})


def version_id(job: str, phase: str) -> str:
    """32 to 64 characters; people see its beginning."""
    return f"{job[:26]}-{phase}-{digest('version', {'job': job, 'phase': phase})[:20]}"


def shown(version: str) -> str:
    """What people see of a version; of one that somebody made by hand, which has a long name, a digest."""
    job, _, rest = version.partition("-")
    if job == "found":
        return f"found-{digest('version', {'found': version})[:8]}"
    return f"{job[:8]}-{rest.partition('-')[0]}" if rest and len(version) > 30 else version[:24]


def phases(secret: Secret, *, emergency: bool) -> tuple[str, ...]:
    """The versions a rotation makes, in their order."""
    if secret.kind is Kind.ENCRYPTION_KEY:
        return (ACCEPT, WRITE)
    if secret.kind is Kind.JWT and not secret.single_value and not emergency:
        return (ACCEPT, SIGN)
    return (REPLACE,)


def past(store: ArtifactStore, secret: str) -> Past:
    """Folds the journals of a secret. Raises OutsideError or Damage."""
    found = Past()
    for journal in journals(store, secret):
        end = journal.end
        rests = journal.paused
        if rests is not None:
            found = replace(found, paused=journal.job, since=datetime.fromisoformat(rests.at))
            continue
        if end is None:
            found = replace(found, unfinished=journal.job)
            continue
        facts, at = end.facts, datetime.fromisoformat(end.at)
        match facts["state"]:
            case "soaking":
                found = Past(found.turned if facts.get("of") else at, _soaking(journal.job, facts))
            case "retired":
                found = Past(at if not facts.get("of") else found.turned)
            case "rolled_back":
                found = Past(None if facts.get("of") else found.turned)
            case "needs":
                left = _soaking(journal.job, facts) if "made" in facts else found.soaking
                found = Past(found.turned, left, found.unfinished, journal.job)
            case _:
                pass
    return found


def _soaking(job: JobId, facts: Mapping[str, Any]) -> Soaking:
    until = datetime.fromisoformat(facts["until"])
    return Soaking(
        job,
        until,
        facts["first"],
        facts["back"],
        facts["made"],
        tuple(facts["kept"]),
        bool(facts.get("rests")),
        tuple(facts.get("old", ())),
    )
