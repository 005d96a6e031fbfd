"""What holds a key of data: every backup that is still kept and may need it.

- A backup's manifest says which keys its data was under. One that does not know (the program did not answer, or it was
  made before the secret was managed) needs every key that was there by then.
- A backup or a restore that is at work holds every key: what it will need is not known yet.
- A manifest that cannot be read holds every key too: somebody must look at it first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from handlers.core.backups.catalogue import Catalogues
from handlers.core.door.records import Jobs
from handlers.core.formats.manifests import Manifest
from handlers.core.ports import ArtifactStore
from handlers.core.rotation.key_rings import key_name
from handlers.core.rotation.rotation_journals import journals
from handlers.core.rotation.secrets import Secret
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import Refusal
from handlers.core.words.jobs import JobState
from handlers.core.words.text import Code, Text

BUSY = frozenset({"backup.now", "restore.run", "restore.undo"})


@dataclass(frozen=True, slots=True)
class KeyHolds:
    """See the module. `live`: the target that is meant when a secret names none. Everything raises OutsideError."""

    artifacts: ArtifactStore
    catalogues: Catalogues
    live: TargetName
    jobs: Jobs

    def check(self, secret: Secret, keys: Iterable[str]) -> None:
        """Raises Refusal while one of these keys must not go."""
        wanted, targets = frozenset(keys), self._targets(secret)
        for job in self.jobs.active():
            if job.state is JobState.RUNNING and job.target in targets and job.plan.operation in BUSY:
                raise Refusal(
                    Text("Job {job} is at work on {target}. When it has ended, ask again.", job=Code(job.id),
                         target=Code(job.target))
                )  # fmt: skip
        for target in targets:
            for key in self.catalogues[target].listing().damaged:
                raise Refusal(
                    Text("The manifest {key} cannot be read, so nobody knows which keys it needs. Look at it first.",
                         key=Code(key))
                )  # fmt: skip
        holders = self.holders(secret, wanted)
        if holders:
            raise Refusal(
                Text(
                    "{count} backups that are kept need the old key of {secret}; the newest is {backup}, of {time}. It "
                    "can be retired when retention has let them go: `/backup list` says why each is kept.",
                    count=len(holders),
                    secret=Code(secret.name),
                    backup=Code(holders[0].id),
                    time=holders[0].created,
                )
            )

    def holders(self, secret: Secret, keys: Iterable[str]) -> tuple[Manifest, ...]:
        """The backups that may need one of these keys, newest first."""
        born = self._born(secret)
        wanted = {key: born.get(key) for key in keys}
        found = [
            manifest
            for target in self._targets(secret)
            for manifest in self.catalogues[target].listing().manifests
            if any(_needs(manifest, secret, wanted))
        ]
        return tuple(sorted(found, key=lambda each: each.id, reverse=True))

    def _targets(self, secret: Secret) -> tuple[TargetName, ...]:
        named = [TargetName(each) for each in secret.targets if each in self.catalogues]
        return tuple(named) or (self.live,)

    def _born(self, secret: Secret) -> dict[str, datetime]:
        """When each key came that a rotation made."""
        found = journals(self.artifacts, secret.name)
        return {key_name(each.job): datetime.fromisoformat(each.entries[0].at) for each in found}


def _needs(manifest: Manifest, secret: Secret, wanted: dict[str, datetime | None]) -> Iterator[bool]:
    ids = manifest.keys.get(secret.name)
    ended = max(manifest.created + timedelta(seconds=manifest.seconds), manifest.moment)
    for key, born in wanted.items():
        yield key in ids if ids is not None else born is None or ended >= born
