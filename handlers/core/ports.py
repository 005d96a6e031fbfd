"""The outside, as Protocols. Each says all that an implementation must keep; tests/contracts holds them to it.

- Implementations translate every failure of their system into OutsideError, Refusal or Damage, also inside
  iterators, and never put a secret into a message.
- Times are aware UTC, sizes bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from handlers.core.formats.manifests import CollectionKind, CollectionSpec, DumpEvidence, Manifest
from handlers.core.formats.objects import KeyNeeds, Packing, Receipt
from handlers.core.formats.optimes import OpTime
from handlers.core.words.answers import Actor, JobId, PersonId, TargetName
from handlers.core.words.audit import AuditEvent
from handlers.core.words.text import Text


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

    def put_if(
        self, key: str, value: bytes, version: str | None, *, seconds: int | None = None, touch: str = ""
    ) -> str | None:
        """Stores the value if the key still has that version (None: if nothing is there), atomically over all
        processes. The new version, or None when somebody else was first. `seconds`: how long it lives; None: for ever.
        A version is never used twice, also not after deletion. `touch`: another key that is made, or gets a new version
        and lives as long, in the same step; its value says how often that happened since it is there. Raises
        OutsideError; then it may or may not be stored.
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
        """Makes the whole artifact visible, durably and at once; what the store says it keeps now. Raises OutsideError,
        also when the lock that was asked for is not there; then nothing is visible."""

    def abort(self) -> None:
        """Leaves nothing behind, as far as the store can be reached. May be called at any time, also twice. Never
        raises OutsideError: what it could not remove, `sweep` will."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """Something in the store. `version`: the store's own name for exactly these bytes, empty where it has no versions.
    `hidden`: somebody put a delete marker or a later version over it; it is still there."""

    key: str
    size_bytes: int
    modified: datetime
    version: str = ""
    hidden: bool = False


@dataclass(frozen=True, slots=True)
class Locking:
    """Whether a store can lock what it keeps. `mode`: how (COMPLIANCE or GOVERNANCE), empty when it cannot.
    `default_mode`: what it gives to what is written without asking for a lock, empty for nothing. `why_not`: None when
    it can."""

    mode: str = ""
    default_mode: str = ""
    why_not: Text | None = None

    @property
    def possible(self) -> bool:
        """Whether a lock may be asked for."""
        return self.why_not is None


class ArtifactStore(Protocol):
    """Where backups and what must outlive the database are kept. Keys are `a/b/c` of [A-Za-z0-9._-] words; nothing is
    ever overwritten.

    - In a store with versions the artifact of a key is its *first* version. A delete marker or a later version, which
      somebody else put over it, hides it from others and not from us. A store without versions ignores `version`.
    - A lock counts when the store, asked after the write, says that this version is locked long enough. One that was
      asked for and does not count fails the write; where `locking()` is not possible, asking for one fails at once.
    """

    def open_write(self, key: str, *, lock_until: datetime | None = None) -> Upload:
        """Begins an artifact of unknown length, locked until then once it is committed. Raises OutsideError."""

    def read(self, key: str, *, version: str = "") -> Iterator[bytes]:
        """The artifact, or exactly that version, in pieces of at most 1 MiB. Raises OutsideError (permanent when it is
        not there)."""

    def put_new(self, key: str, data: bytes, *, lock_until: datetime | None = None) -> bool:
        """Stores a small artifact if the key is free, atomically over all processes; False when it is taken, also by
        one that is hidden. `receipt` says what is kept. Raises OutsideError, and then it may or may not be stored."""

    def get(self, key: str, *, version: str = "") -> bytes | None:
        """A small artifact, or exactly that version; None when it is not there. Raises OutsideError."""

    def list(self, prefix: str) -> tuple[Artifact, ...]:
        """Every committed artifact whose key begins so, sorted by key, hidden ones too. Raises OutsideError."""

    def receipt(self, key: str, version: str = "") -> Receipt | None:
        """What the store says now about the artifact, or exactly that version; None when it is not there. Raises
        OutsideError."""

    def extend_lock(self, key: str, version: str, until: datetime) -> Receipt:
        """Locks this version at least until then; never shortens a lock or weakens its mode. What the store said
        afterwards. Raises OutsideError, also when it does not say that the lock lasts so long."""

    def locking(self) -> Locking:
        """Whether and how this store can lock, asked anew. Raises OutsideError when it cannot be reached."""

    def delete(self, key: str, *, version: str = "") -> None:
        """Removes exactly that version, or the artifact with every version of it, for good and not by hiding it;
        nothing happens when it is not there. Raises OutsideError (permanent when it is locked)."""

    def moment(self) -> datetime:
        """The store's own clock, aware UTC; it is what locks end by. Raises OutsideError."""

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
    single server. `disk_bytes`: what data and indexes take on the server's disk; `free_bytes`: what is free there,
    None when the server does not say."""

    database: str
    server: str
    documents: int
    data_bytes: int
    collections: int
    deployment: str = ""
    disk_bytes: int = 0
    free_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class OpenFiles:
    """How many files a server may hold open, how many of its data it does, and how many connections it has."""

    most: int
    held: int
    connections: int


@dataclass(frozen=True, slots=True)
class LoadEvidence:
    """What was seen of one load. `return_code`: mongorestore's, or 0 when all went in and 1 when the server refused.
    `announced`: the collections that the archive itself names, with their kinds; None when nobody looked."""

    return_code: int
    restored: int
    failed: int
    last_lines: str
    announced: frozenset[tuple[str, CollectionKind]] | None = None


@dataclass(frozen=True, slots=True)
class ArchiveEvidence:
    """What was seen of a stored archive, walked to its end. `announced`: `documents` and `size_bytes` as walked;
    `closed`: names whose stream was ended, as mongodump calls them; `whole`: it ends where an archive may end."""

    announced: tuple[CollectionSpec, ...]
    closed: frozenset[str]
    whole: bool


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


@dataclass(frozen=True, slots=True)
class SliceEvidence:
    """What was seen while a slice of the oplog was read.

    Every entry of the database after `start`, up to and including `end`, is in it. `problem`: why a dump that ran
    meanwhile must not be trusted with this slice (a collection was renamed, and the dump may have missed it), or why
    it could not be replayed; None: it can.
    """

    start: OpTime
    end: OpTime
    entries: int
    raw_bytes: int
    stored_bytes: int
    sha256: str
    problem: Text | None = None


class Tail(Protocol):
    """A slice of the oplog while it is read: one packed frame of the entries of one database, in their order. Only what
    a majority of the replica set has is taken. A change of the primary raises OutsideError: what was dumped meanwhile
    could have been rolled back."""

    @property
    def start(self) -> OpTime:
        """Where it begins; the entry of that time is not in it."""

    @property
    def last(self) -> OpTime:
        """How far it has come: every entry of this database up to and including this time was taken."""

    @property
    def waiting(self) -> bool:
        """Whether the last read left entries behind that a majority has: read again at once."""

    @property
    def broken(self) -> OpTime | None:
        """Where it cannot go on: the time of an entry by which a restore replaced data. It is not in the slice, and
        neither is anything after it; None as long as there is no such entry."""

    def read(self) -> bytes:
        """What is packed of the entries that a majority has by now and that were not taken yet, about 16 MB of them at
        most; b"" often, also when more will come. Raises OutsideError; Damage when the oplog no longer reaches back to
        `last` (a gap)."""

    def finish(self, *, through: OpTime | None = None) -> bytes:
        """Takes everything up to `through` (None: what a majority has now), waiting at most 60 s until a majority has
        that; the last packed bytes. Raises as `read`."""

    def evidence(self) -> SliceEvidence:
        """After `finish`: what was seen."""


@dataclass(frozen=True, slots=True)
class ReplayEvidence:
    """What a replay did. `entries`: operations of the chosen collections that were replayed; `last`: the time of the
    newest entry looked at, None when there was none; `specs`: the collections as they must be now, sorted by name,
    views and indexes included, which are still to be made. Their documents are not counted."""

    entries: int
    last: OpTime | None
    specs: tuple[CollectionSpec, ...]


class Database(Protocol):
    """One MongoDB database. Names are collection names without the database. All raise OutsideError."""

    @property
    def name(self) -> str:
        """The database's name."""

    @property
    def address(self) -> str:
        """Which servers its settings name, without user and password. Not for people."""

    def same_server(self, other: Database) -> bool:
        """Whether both are on one server or replica set, whatever their databases. Raises OutsideError."""

    def sibling(self, name: str) -> Database:
        """Another database of the same deployment, which need not exist."""

    def newer(self, since: datetime, names: Sequence[str]) -> Mapping[str, int | None]:
        """How many documents each collection got after that second, by the time inside their ObjectIds: those with ids
        of another kind are not seen. None where it could not be counted within two seconds."""

    def block_writes(self, *, block: bool) -> None:
        """Blocks the writes of everybody else on the whole deployment, or lets them go on; may be repeated. Needs
        MongoDB 6.0 and the privilege setUserWriteBlockMode, and bypassWriteBlockingMode for our own writes. Raises
        OutsideError."""

    @property
    def packing(self) -> Packing:
        """How what is dumped from now on is packed."""

    def opens(self, packing: Packing) -> bool:
        """Whether `load` can read what is packed so: it is not encrypted, or a key for it is here."""

    def facts(self) -> DatabaseFacts:
        """A quick look. Raises Refusal for a server that cannot be backed up this way (mongos)."""

    def files(self) -> OpenFiles | None:
        """What its server may hold open and does; None when that is not known. Raises OutsideError."""

    def collections(self, *, count: bool = False, prefix: str = "", indexes: bool = True) -> tuple[LiveCollection, ...]:
        """Every collection whose name begins with `prefix`, sorted by name, with its definition; system collections
        (buckets, views, profile) are left out. `count`: `documents` are counted one by one, for a time-series its
        buckets; otherwise 0. `indexes=False`: without them, in one request however many there are."""

    def dump(self) -> AbstractContextManager[Dump]:
        """Starts mongodump; leaving the context ends it and its children whatever happened. Raises OutsideError."""

    def load(self, packed: Iterable[bytes], prefix: str, names: Container[str]) -> LoadEvidence:
        """Loads the compressed archive, every collection renamed to prefix + name, without indexes, stopping at the
        first error; only `names` are loaded (never a view). What `packed` raises goes through, after all that was
        begun has ended. Raises Damage for an archive that is not whole; OutsideError when nothing moves for 60 s;
        Refusal when no key here opens it."""

    def create_indexes(self, name: str, indexes: Sequence[str], *, expire: bool) -> None:
        """Builds the indexes (canonical Extended JSON as in CollectionSpec; `_id_` is skipped). `expire=False`: TTL
        indexes are built with the longest possible age, so that nothing is deleted yet."""

    def build_indexes(self, wanted: Mapping[str, Sequence[str]], *, expire: bool) -> Iterator[str]:
        """`create_indexes` for several collections, two at a time: the name of each as it is done. Whoever stops
        listening waits for those that were begun. Raises as `create_indexes`."""

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

    def together(self, steps: Iterable[Callable[[], None]], hold: Callable[[], None]) -> None:
        """Takes small steps on this database that do not depend on each other, a few at a time and in any order: each
        waits for a majority, and so they wait together. `hold` is asked before each and may raise. When something
        raises, no further step begins, those that had begun end, and then it is raised."""

    def copy_timeseries(self, spec: CollectionSpec, source: str, to: str) -> None:
        """Makes the time-series `to` anew, as `spec` defines it, with the buckets of the time-series `source`, and its
        indexes; whatever `to` was before is dropped. May be repeated. Raises OutsideError unless every bucket
        arrived."""

    def now(self) -> OpTime:
        """The time of the newest entry of the oplog that the primary has applied. What was read from the database
        before is not newer. Raises Refusal for a single server, which has no oplog."""

    def tail(self, after: OpTime | None) -> AbstractContextManager[Tail]:
        """Begins a slice of the oplog after that time. None: now, or where the oldest open transaction began, for a
        dump that is started next. Raises Refusal when there is no oplog (a single server) or the user may not read it;
        Damage when the oplog does not reach back to that time."""

    def replay(
        self,
        slices: Iterable[Iterable[bytes]],
        prefix: str,
        specs: Sequence[CollectionSpec],
        *,
        names: Container[str],
        until: OpTime | None = None,
        dumped: bool = True,
    ) -> ReplayEvidence:
        """Replays slices, each given in packed pieces, in their order, over collections that were loaded as prefix +
        name with the definitions `specs` and no indexes. `dumped`: the first slice was read while these were dumped,
        and what is in them already may be of any time in it; replaying such a slice again changes nothing. Entries
        that an earlier slice held already are passed over. Only `names` are touched, and never a live collection.
        `until`: stops before the first entry after that time; a transaction counts by its commit. Indexes and views
        are not made, only told. What a slice raises goes through. Raises Damage for a slice that is damaged or does
        not continue what was loaded; OutsideError, permanent, for an operation that cannot be replayed."""

    def examine(self, packed: Iterable[bytes]) -> ArchiveEvidence:
        """Walks a stored archive without loading it; the server is not asked. The archive's own word on the order of
        fields in options is not to be relied on. What `packed` raises goes through. Raises Damage for what does not
        unpack or is no archive."""

    def hashes(self) -> Mapping[str, str]:
        """MongoDB's dbHash of every collection (a time-series: of its buckets, under its own name): equal for equal
        documents in the order of their `_id`. Views and system collections have none. Takes as long as reading
        everything, and holds writers off on some servers: for scratch databases."""

    def holds(self, name: str, pipeline: str, at_least: int, seconds: float) -> bool:
        """Whether the aggregation (Extended JSON of a list of stages) over a collection gives at least so many
        documents. Raises OutsideError, also when it takes longer than that."""


class Scratch(Protocol):
    """A place for a drill: a database that nobody else uses, far from every live one."""

    def open(self, need_bytes: int) -> AbstractContextManager[Database]:
        """An empty database on a server that expires nothing, with room for that much data; it is gone afterwards,
        whatever happened. Raises OutsideError, saying what is missing, also from inside when the server ends."""


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
    will ever be accepted again; `used`: a code was accepted before; `locked`: ten wrong codes in a row; `failures`: how
    many in a row by now; `cooling_until`: it confirms nothing before that (Unix seconds), because it replaced another;
    `codes_left`: how many recovery codes are left."""

    person: PersonId
    floor_step: int
    used: bool
    locked: bool
    version: int
    cooling_until: int = 0
    failures: int = 0
    codes_left: int = 0


class Factors(Protocol):
    """People's second factors, encrypted, beside the backups: not in the database that gets restored."""

    def get(self, person: PersonId, team: str) -> Factor | None:
        """None: not enrolled. Raises OutsideError; Damage when the record cannot be decrypted."""

    def matching_step(self, factor: Factor, team: str, code: str, moment: datetime) -> int | None:
        """The time-step (Unix time // 30) among now's and the one before whose code this is, comparing all in constant
        time; None for a wrong code. Raises OutsideError or Damage."""

    def mark(
        self, factor: Factor, team: str, *, used: bool, locked: bool, failures: int = 0, floor_step: int = 0
    ) -> Factor | None:
        """Stores the flags durably if the record still has that version; None when somebody else was first. The floor
        only rises."""


Standing = Literal["member", "guest", "bot", "gone", "unknown"]


class People(Protocol):
    """What the chat system says about a person."""

    def standing(self, actor: Actor) -> Standing:
        """Full member of the bot's own workspace, guest (also: of another workspace), bot, deactivated, or not known
        (also: could not be asked). Never raises."""


class DataKeys(Protocol):
    """The keys that programs encrypt a part of a target's data with: their ids, never the keys. Never raises."""

    def used(self) -> KeyNeeds:
        """Under which of them something is now."""

    def missing(self, manifest: Manifest) -> tuple[Text, ...]:
        """What of that backup's data nobody could read any more, in words."""


class NoDataKeys:
    """Nothing is encrypted by programs, as far as the bot knows."""

    def used(self) -> KeyNeeds:
        """See DataKeys."""
        return {}

    def missing(self, manifest: Manifest) -> tuple[Text, ...]:
        """See DataKeys."""
        return ()


NO_DATA_KEYS = NoDataKeys()


@dataclass(frozen=True, slots=True)
class Target:
    """One database and all that belongs to it."""

    name: TargetName
    database: Database
    store: ArtifactStore
    migrate: Command
    data_keys: DataKeys = NO_DATA_KEYS
