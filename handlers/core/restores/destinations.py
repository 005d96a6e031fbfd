"""A destination: where a restore puts its data when that is another server than the one the backup is of.

- It is a target of its own: its lease, journal, safety backup, staging, switch and undo are there, and the source is
  only read from the store. So it can also be used when the source's own server is gone.
- The live server under another name is refused: two jobs could else be at work on the same data. When the live server
  does not answer, it is not the one that does.
- An older series of MongoDB than the backup's is refused: it can lack what the data needs.
- The plan holds which servers its name meant; when that is another by the time of the work, nothing is done.
"""

from __future__ import annotations

from collections.abc import Mapping

from handlers.core.formats.manifests import Manifest
from handlers.core.ports import Target
from handlers.core.restores.restore_plans import RestorePlan
from handlers.core.words.answers import TargetName
from handlers.core.words.digests import digest
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

Targets = Mapping[TargetName, Target]


def destination(targets: Targets, servers: Targets, source: TargetName, to: str) -> Target:
    """The target that is meant; `to` empty: the source. Raises Refusal."""
    if not to:
        return targets[source]
    found = servers.get(TargetName(to))
    if found is None and not servers:
        raise Refusal(Text("There is no other server to restore to: NEGAHBAN_CONFIG names none."))
    if found is None:
        raise Refusal(Text("There is no server {name}. There are: {names}.", name=Code(to), names=", ".join(servers)))
    if found.name == source:
        return found
    try:
        found.database.facts()
    except OutsideError as error:
        raise Refusal(
            Text("{server} cannot be used, so nothing was planned: {why}", server=Code(to), why=error.text)
        ) from error
    for each in targets.values():
        if each.name != found.name and _same(found, each):
            raise Refusal(
                Text(
                    "{server} is the server of {target} under another name. Leave `to` out; `into` names a database.",
                    server=Code(to),
                    target=Code(each.name),
                )
            )
    return found


def _same(one: Target, other: Target) -> bool:
    try:
        return one.database.same_server(other.database)
    except OutsideError:
        return False


def fit(manifest: Manifest, server: str, to: str) -> None:
    """Raises Refusal when a server of this version cannot be relied on to take the backup."""
    if _series(server) < _series(manifest.server):
        raise Refusal(
            Text(
                "{name} runs MongoDB {server}, and the backup is of {other}: an older one can lack what the data "
                "needs. Nothing was planned.",
                name=Code(to),
                server=server,
                other=manifest.server,
            )
        )


def _series(version: str) -> tuple[int, ...]:
    return tuple(int(part) if part.isdigit() else 0 for part in version.split(".")[:2])


def place_of(target: Target) -> str:
    """What a plan holds of where it will be done: not the address itself, which is nobody's to read in Slack."""
    return digest("place", target.database.address)


def confirmed_place(target: Target, plan: RestorePlan) -> None:
    """Raises Refusal when the name means other servers than it did when somebody confirmed."""
    if plan.source and plan.place != place_of(target):
        raise Refusal(
            Text(
                "{server} is another server now than when you confirmed. Nothing was done; ask again.",
                server=Code(target.name),
            )
        )
