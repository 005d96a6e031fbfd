"""The outside, as Protocols. Each says all that an implementation must keep; tests/contracts holds them to it.

- Implementations translate every failure of their system into OutsideError, Refusal or Damage, also inside
  iterators, and never put a secret into a message.
- Times are aware UTC, sizes bytes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from handlers.core.answers import Actor, JobId, PersonId, TargetName
from handlers.core.audit import AuditEvent
from handlers.core.manifests import CollectionSpec, DumpEvidence
from handlers.core.objects import Receipt


class Clock(Protocol):
    """Time."""

    def now(self) -> datetime:
        """The time of day, aware UTC; may jump."""

    def monotonic(self) -> float:
        """Seconds that only grow, for durations."""

    def sleep(self, seconds: float) -> None:
        """Waits."""


class Entropy(Protocol):
    """Randomness fit for secrets."""

    def token(self, characters: int) -> str:
        """That many characters of lower-case base32 (a-z, 2-7), unpredictable."""


@dataclass(frozen=True, slots=True)
class Held:
    """A value in the state and the version it has."""

    value: bytes
    version: str


class State(Protocol):
    """Shared memory of all processes of the bot. May be lost; then what depends on it refuses.

    `put_if` is the one primitive under locks, single-use codes, clicks and posts.
    """

    def get(self, key: str) -> Held | None:
        """None when nothing is there. Raises OutsideError."""

    def put_if(self, key: str, value: bytes, version: str | None, *, seconds: int | None = None) -> str | None:
        """Stores the value if the key still has that version (None: if nothing is there), atomically over all
        processes. The new version, or None when somebody else was first. `seconds`: how long it lives; None: for ever.
        A version is never used twice, also not after deletion. Raises OutsideError; then it may or may not be stored.
        """

    def delete_if(self, key: str, version: str) -> bool:
        """Removes the key if it still has that version. Raises OutsideError."""

    def keys(self, prefix: str) -> tuple[str, ...]:
        """All keys that begin so, sorted. Raises OutsideError."""

    def incarnation(self) -> str:
        """Changes whenever memory may have been lost: a restart, a flush, another server. Raises OutsideError."""


class Queue(Protocol):
    """Hands jobs to workers, at least once."""

    def put(self, job: JobId) -> None:
        """Some worker will be given this id, perhaps more than once. Raises OutsideError."""


class Audit(Protocol):
    """The append-only record."""

    def write(self, event: AuditEvent) -> None:
        """Durable when it returns. Raises OutsideError; then the caller must not act."""


class Upload(Protocol):
    """An artifact being written. Nothing of it can be seen before `commit`."""

    def write(self, data: bytes) -> None:
        """Appends. Raises OutsideError."""

    def commit(self) -> Receipt:
        """Makes the whole artifact visible, durably and at once; what the store says it keeps now. Raises OutsideError;
        then nothing is visible."""

    def abort(self) -> None:
        """Leaves nothing behind, as far as the store can be reached. May be called at any time, also twice. Never
        raises OutsideError: what it could not remove, `sweep` will."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something in the store."""

    key: str
    size_bytes: int
    modified: datetime


class ArtifactStore(Protocol):
    """Where backups and what must outlive the database are kept. Keys are `a/b/c` of [A-Za-z0-9._-] words; nothing is
    ever overwritten."""

    def open_write(self, key: str) -> Upload:
        """Begins an artifact of unknown length. Raises OutsideError."""

    def read(self, key: str) -> Iterator[bytes]:
        """The artifact in pieces of at most 1 MiB. Raises OutsideError (permanent when it is not there)."""

    def put_new(self, key: str, data: bytes) -> bool:
        """Stores a small artifact if the key is free, atomically over all processes; False when it is taken.
        Raises OutsideError, and then it may or may not be stored."""

    def get(self, key: str) -> bytes | None:
        """A small artifact; None when it is not there. Raises OutsideError."""

    def list(self, prefix: str) -> tuple[Artifact, ...]:
        """Every committed artifact whose key begins so, sorted by key. Raises OutsideError."""

    def delete(self, key: str) -> None:
        """Removes an artifact; nothing happens when it is not there. Raises OutsideError."""

    def sweep(self, before: datetime, under: str = "") -> int:
        """Removes what unfinished uploads begun before that time left behind, of keys that begin with `under`;
        how many. Raises OutsideError."""

    def describe(self) -> str:
        """Where this is, for people; no secret."""


@dataclass(frozen=True, slots=True)
class LiveCollection:
    """A collection as the server has it now. `uuid` follows it through renames; empty for views."""

    spec: CollectionSpec
    uuid: str


@dataclass(frozen=True, slots=True)
class DatabaseFacts:
    """What is there now, cheaply: counts are the server's estimates. `deployment`: the replica set's name, empty for a
    single server."""

    database: str
    server: str
    documents: int
    data_bytes: int
    collections: int
    deployment: str = ""


@dataclass(frozen=True, slots=True)
class LoadEvidence:
    """What was seen of one load. `return_code`: mongorestore's, or 0 when all went in and 1 when the server refused."""

    return_code: int
    restored: int
    failed: int
    last_lines: str


class Dump(Protocol):
    """A running mongodump, compressed."""

    def read(self) -> bytes:
        """The next compressed piece (up to about 1 MiB), b"" at the end. Raises OutsideError when no byte came for 60 s
        or the archive is not one."""

    @property
    def raw_bytes(self) -> int:
        """Bytes of the archive read so far, before compression."""

    def evidence(self) -> DumpEvidence:
        """After read() gave b"": waits for mongodump and says what was seen. It judges nothing. Raises OutsideError."""


class Database(Protocol):
    """One MongoDB database. Names are collection names without the database. All raise OutsideError."""

    @property
    def name(self) -> str:
        """The database's name."""

    def facts(self) -> DatabaseFacts:
        """A quick look. Raises Refusal for a server that cannot be backed up this way (mongos)."""

    def collections(self, *, count: bool = False, prefix: str = "") -> tuple[LiveCollection, ...]:
        """Every collection whose name begins with `prefix`, sorted by name, with its definition; system collections
        (buckets, views, profile) are left out. `count`: `documents` are counted one by one, for a time-series its
        buckets; otherwise 0."""

    def dump(self) -> AbstractContextManager[Dump]:
        """Starts mongodump; leaving the context ends it and its children whatever happened. Raises OutsideError."""

    def load(self, packed: Iterable[bytes], prefix: str, names: Container[str]) -> LoadEvidence:
        """Loads the compressed archive, every collection renamed to prefix + name, without indexes, stopping at the
        first error; only `names` are loaded (never a view). What `packed` raises goes through, after all that was
        begun has ended. Raises Damage for an archive that is not whole; OutsideError when nothing moves for 60 s."""

    def create_indexes(self, name: str, indexes: Sequence[str], *, expire: bool) -> None:
        """Builds the indexes (canonical Extended JSON as in CollectionSpec; `_id_` is skipped). `expire=False`: TTL
        indexes are built with the longest possible age, so that nothing is deleted yet."""

    def set_expiry(self, name: str, indexes: Sequence[str]) -> None:
        """Gives TTL indexes built with `expire=False` their age. May be repeated."""

    def set_validator(self, name: str, spec: CollectionSpec) -> None:
        """Gives a collection the validator of `spec`, its fields in their order; nothing happens when it has none.
        mongodump before 100.9.1 shuffles them in the archive (TOOLS-3411), which changes what a literal means."""

    def create_view(self, spec: CollectionSpec) -> None:
        """Makes a view; nothing happens when it is already there with that definition."""

    def rename(self, name: str, to: str) -> None:
        """Renames a collection (not a view or time-series) in one step. Raises OutsideError when `to` exists."""

    def drop(self, name: str) -> None:
        """Drops a collection, view or time-series; nothing happens when it is not there."""

    def copy_timeseries(self, spec: CollectionSpec, source: str, to: str) -> None:
        """Makes the time-series `to` anew, as `spec` defines it, with the buckets of the time-series `source`, and its
        indexes; whatever `to` was before is dropped. May be repeated. Raises OutsideError unless every bucket
        arrived."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a program ended. `return_code` None: it was stopped after its time."""

    return_code: int | None
    last_lines: str


class Command(Protocol):
    """A program the team configured (MIGRATE_COMMAND)."""

    @property
    def line(self) -> str:
        """As configured, for people; empty when there is none."""

    def run(self, beat: Iterable[None] = ()) -> CommandResult:
        """Runs it without a shell, with MONGODB_URI and nothing else of the bot's environment but PATH and HOME; stdout
        and stderr together, the last 20 lines kept. Raises OutsideError when it cannot be started."""


@dataclass(frozen=True, slots=True)
class Factor:
    """A person's second factor as kept, without its seed. `floor_step`: no code of this time-step or an earlier one
    will ever be accepted again; `used`: a code was accepted before; `locked`: ten wrong codes in a row."""

    person: PersonId
    floor_step: int
    used: bool
    locked: bool
    version: int


class Factors(Protocol):
    """People's second factors, encrypted, beside the backups: not in the database that gets restored."""

    def get(self, person: PersonId, team: str) -> Factor | None:
        """None: not enrolled. Raises OutsideError; Damage when the record cannot be decrypted."""

    def matching_step(self, factor: Factor, team: str, code: str, moment: datetime) -> int | None:
        """The time-step (Unix time // 30) among now's and the one before whose code this is, comparing all in constant
        time; None for a wrong code. Raises OutsideError or Damage."""

    def mark(self, factor: Factor, team: str, *, used: bool, locked: bool) -> Factor | None:
        """Stores the flags durably if the record still has that version; None when somebody else was first."""


Standing = Literal["member", "guest", "bot", "gone", "unknown"]


class People(Protocol):
    """What the chat system says about a person."""

    def standing(self, actor: Actor) -> Standing:
        """Full member of the bot's own workspace, guest (also: of another workspace), bot, deactivated, or not known
        (also: could not be asked). Never raises."""


@dataclass(frozen=True, slots=True)
class Target:
    """One database and all that belongs to it."""

    name: TargetName
    database: Database
    store: ArtifactStore
    migrate: Command
