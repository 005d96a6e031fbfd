"""The audit record: its file, the key it is sealed with, its copies, and who looks after it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bot.adapters import signing
from bot.adapters.audit_file import AuditFile, read_lines
from bot.adapters.clock import SystemClock
from bot.adapters.state_redis import RedisState
from bot.settings import Settings
from bot.wiring.backups import artifact_store
from bot.wiring.own import KnownKeys, Signers
from handlers.core.door.alarms import Alarms
from handlers.core.ports import ArtifactStore
from handlers.core.sealing.examination import Examiner
from handlers.core.sealing.heads import Heads
from handlers.core.sealing.notary import Notary, Office
from handlers.core.sealing.seals import Seal
from handlers.core.sealing.segments import Archive
from handlers.core.words.answers import Actor


@dataclass(frozen=True, slots=True)
class Recording:
    """The audit record and everything that vouches for it."""

    path: Path
    file: AuditFile
    signers: Signers
    archive: Archive
    examine: Examiner

    def lines(self) -> Iterator[bytes]:
        """The record, oldest first."""
        return read_lines(self.path)

    @property
    def signer(self) -> signing.Ed25519Signer:
        """Who seals it now. Raises OutsideError."""
        return self.signers()[0]

    def seal(self) -> Seal | None:
        """Seals what there is. Raises OutsideError."""
        signer, *former = self.signers()
        return self.file.seal(signer, former)


def recording_of(given: Settings, store: ArtifactStore) -> Recording:
    """Connects nothing yet."""
    path = Path(given.audit_file or Path(given.backup_dir) / "audit.jsonl")
    file = AuditFile(path)
    signers = Signers(given, file)
    days = 0 if given.backup_lock_mode == "none" else given.audit_lock_days
    archive = Archive(store, days)
    keys = KnownKeys(signers, given.audit_public_keys)
    return Recording(path, file, signers, archive, Examiner(signing.fits, keys, archive))


def notary_of(given: Settings, recording: Recording, state: RedisState, alarms: Alarms, actor: Actor) -> Notary:
    """Looks after the record of this host."""
    clock, heads = SystemClock(), None
    if given.audit_channel:
        heads = Heads(state, clock, timedelta(minutes=given.audit_channel_minutes))
    return Notary(
        recording.file,
        Office(recording.signers, recording.archive, recording.examine, heads, alarms, clock, actor, given.ops_channel),
    )


def elsewhere(given: Settings, where: str) -> tuple[Archive, Examiner]:
    """The copies of a store that is named on the command line, and what examines them by themselves."""
    from bot.adapters.store_s3 import S3Store  # imported only where it is used

    own = recording_of(given, artifact_store(given))
    keys = {own.signer.public, *given.audit_public_keys}
    return Archive(S3Store(where)), Examiner(signing.fits, keys, None)
