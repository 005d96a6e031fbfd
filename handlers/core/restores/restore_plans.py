"""The plan of a restore or of an undo: everything that was resolved before somebody confirms it, and how it reads.

- It is stored as the arguments of a Plan, so its digest is what the code confirms.
- Numbers that cannot be known are -1: they are said as not known, never as zero.
- `live` covers which collections are there and their definitions; when they change, the plan is void.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from handlers.core.words.cards import Fact
from handlers.core.words.digests import Json
from handlers.core.words.text import Bytes, Code, Seconds, Text

UNKNOWN = -1
NAMED = 10


@dataclass(frozen=True, slots=True)
class RestorePlan:
    """What would be put in place of what. `until`: the last moment of the oplog to be replayed, empty: the
    backup's own; `at`: the same as the person asked for it. `only`: these collections, empty: all. `gone`: collections
    that go away. `source`: whose backup it is, when it goes to another server, and `place`: a fingerprint of which one
    that name means. `newer`: documents that are newer than the backup, by collection."""

    backup: str
    manifest: str
    made: str
    moment: str
    torn: str
    at: str
    until: str
    stored_bytes: int
    raw_bytes: int
    documents: int
    collections: int
    database: str
    from_database: str
    live: str
    live_documents: int
    live_collections: int
    live_bytes: int
    only: tuple[str, ...]
    gone: tuple[str, ...]
    newer: Mapping[str, int]
    needs_bytes: int
    free_bytes: int
    from_server: str
    server: str
    keep_hours: int
    blocks_writes: bool
    migrate: str
    cautions: tuple[str, ...] = ()
    expected_seconds: int = UNKNOWN
    source: str = ""
    place: str = ""

    def arguments(self) -> dict[str, Json]:
        """As the arguments of a Plan."""
        return {each.name: _json(getattr(self, each.name)) for each in fields(self)}

    @staticmethod
    def of(arguments: Mapping[str, Any]) -> RestorePlan:
        """Raises KeyError or TypeError for what is not the arguments of such a plan."""
        given = {each.name: arguments[each.name] for each in fields(RestorePlan) if each.name in arguments}
        return RestorePlan(
            **{
                **given,
                "only": tuple(given["only"]),
                "gone": tuple(given["gone"]),
                "cautions": tuple(given.get("cautions", ())),
            }
        )

    @property
    def wanted_moment(self) -> datetime:
        """The time the data will be of."""
        return datetime.fromisoformat(self.at or self.moment)


@dataclass(frozen=True, slots=True)
class UndoPlan:
    """Putting back what a restore replaced. `of`: that restore's job; `kept`: how many collections are kept."""

    of: str
    database: str
    until: str
    kept: int
    live: str
    live_collections: int
    keep_hours: int
    newer: Mapping[str, int] = field(default_factory=dict)

    def arguments(self) -> dict[str, Json]:
        """As the arguments of a Plan."""
        return {each.name: _json(getattr(self, each.name)) for each in fields(self)}

    @staticmethod
    def of_arguments(arguments: Mapping[str, Any]) -> UndoPlan:
        """Raises KeyError or TypeError for what is not the arguments of such a plan."""
        return UndoPlan(**{each.name: arguments[each.name] for each in fields(UndoPlan)})


def _json(value: Any) -> Json:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Mapping):
        return dict(value)
    plain: Json = value
    return plain


def offer_lines(plan: RestorePlan, words: str) -> tuple[Text, ...]:
    """What somebody must know before they confirm. `words`: the plan's digest as spoken."""
    return tuple(
        line
        for line in (
            _elsewhere(plan),
            _what_happens(plan),
            *(Text("{caution}", caution=each) for each in plan.cautions),
            _lost(plan),
            _going_away(plan),
            _consistency(plan),
            _other_place(plan),
            _space(plan),
            _blocking(plan),
            _afterwards(plan),
            Text("Compare the words: {words}", words=Code(words)),
        )
        if line is not None
    )


def _elsewhere(plan: RestorePlan) -> Text | None:
    if not plan.source:
        return None
    return Text(
        "This goes to another server, which runs MongoDB {server}; the live {source} is not touched.",
        server=plan.server,
        source=Code(plan.source),
    )


def _what_happens(plan: RestorePlan) -> Text:
    database = Code(plan.database)
    saved = Text("What is there is saved first; the new data is loaded beside it, checked, and only then switched in.")
    if plan.live_collections == 0:
        return Text("{database} is empty now: nothing will be replaced.", database=database)
    if plan.only:
        return Text(
            "In {database}, these collections will be replaced: {names}. {saved}",
            database=database,
            names=named(plan.only),
            saved=saved,
        )
    return Text("Everything in {database} now will be replaced. {saved}", database=database, saved=saved)


def _lost(plan: RestorePlan) -> Text | None:
    count, some = _counted(plan.newer)
    text = Text("At least {count} documents are newer than this and will be lost: {some}.", count=count, some=some)
    return _with_uncounted(text if count else None, plan.newer)


def _counted(newer: Mapping[str, int]) -> tuple[int, str]:
    """How many there are where they could be counted, and where the most are."""
    counted = {name: count for name, count in newer.items() if count > 0}
    largest = sorted(counted.items(), key=lambda each: -each[1])[:NAMED]
    return sum(counted.values()), ", ".join(f"{name} {count:,}" for name, count in largest)


def _with_uncounted(text: Text | None, newer: Mapping[str, int]) -> Text | None:
    unknown = [name for name, count in newer.items() if count == UNKNOWN]
    if not unknown:
        return text
    if text is None:
        return Text("How many newer documents will be lost could not be counted in {names}.", names=named(unknown))
    return Text("{text} In {names} they could not be counted.", text=text, names=named(unknown))


def _going_away(plan: RestorePlan) -> Text | None:
    return Text("Not in the backup, so they will go away: {names}.", names=named(plan.gone)) if plan.gone else None


def _consistency(plan: RestorePlan) -> Text | None:
    if plan.at:
        return Text("Changes after the backup are replayed up to {time}, and none after it.", time=plan.wanted_moment)
    if plan.torn:
        return Text(
            "This is not a copy of one moment: its documents are from while it was made ({why}).", why=plan.torn
        )
    return None


def _other_place(plan: RestorePlan) -> Text | None:
    if plan.from_database != plan.database:
        return Text("The backup was made of another database: {name}.", name=Code(plan.from_database))
    return None


def _space(plan: RestorePlan) -> Text:
    free = Text("not known") if plan.free_bytes == UNKNOWN else Text("{size}", size=Bytes(plan.free_bytes))
    return Text(
        "It needs about {needs} on the server's disk while both are there; free there: {free}.",
        needs=Bytes(plan.needs_bytes),
        free=free,
    )


def _blocking(plan: RestorePlan) -> Text | None:
    if not plan.blocks_writes:
        return None
    return Text("During the switch nobody else can write, on the whole server.")


def _afterwards(plan: RestorePlan) -> Text:
    kept = (
        Text("For {time} it can be undone with a button.", time=Seconds(plan.keep_hours * 3600))
        if plan.keep_hours
        else Text("It can only be undone by restoring the backup of what is live now.")
    )
    if plan.migrate:
        return Text("Then runs: {line}. {kept}", line=Code(plan.migrate), kept=kept)
    return kept


def plan_facts(plan: RestorePlan, target: str, age_seconds: float, *, over: bool) -> tuple[Fact, ...]:
    """What stands under the card. `over`: the job has ended."""
    expected = () if plan.expected_seconds == UNKNOWN else (Fact(Text("Takes about"), _took(plan.expected_seconds)),)
    versions = plan.from_server.split(".")[:2] != plan.server.split(".")[:2]
    other = Text("MongoDB {server}; the backup is of {other}", server=plan.server, other=plan.from_server)
    return (
        Fact(Text("Backup"), Text("{id}, {age} old", id=Code(plan.backup), age=Seconds(age_seconds))),
        Fact(
            Text("It holds"),
            Text(
                "{documents} documents in {collections} collections, {size}",
                documents=plan.documents,
                collections=plan.collections,
                size=Bytes(plan.raw_bytes),
            ),
        ),
        Fact(
            Text("Live when asked") if over else Text("Live now"),
            Text(
                "about {documents} documents in {collections} collections, {size}",
                documents=plan.live_documents,
                collections=plan.live_collections,
                size=Bytes(plan.live_bytes),
            ),
        ),
        Fact(Text("Target"), place(target, plan.database)),
        *((Fact(Text("From"), Text("{source}", source=Code(plan.source))),) if plan.source else ()),
        *((Fact(Text("Server"), other),) if versions else ()),
        *(() if over else expected),
    )


def undo_lines(plan: UndoPlan, words: str) -> tuple[Text, ...]:
    """What somebody must know before they confirm an undo."""
    count, some = _counted(plan.newer)
    text = Text("At least {count} documents were written since: {some}.", count=count, some=some)
    since = _with_uncounted(text if count else None, plan.newer)
    return (
        Text("What the restore replaced comes back: {kept} collections, as they were at the switch.", kept=plan.kept),
        _kept_instead(plan),
        *(() if since is None else (since,)),
        Text("Compare the words: {words}", words=Code(words)),
    )


def _kept_instead(plan: UndoPlan) -> Text:
    if not plan.keep_hours:
        return Text("What is in {database} now is not kept: RESTORE_UNDO_HOURS is 0.", database=Code(plan.database))
    return Text(
        "What is in {database} now is kept in its place for {time}.",
        database=Code(plan.database),
        time=Seconds(plan.keep_hours * 3600),
    )


def place(target: str, database: str) -> Text:
    """A target, with its database when that has another name."""
    if target == database:
        return Text("{target}", target=Code(target))
    return Text("{target}, its database {database}", target=Code(target), database=Code(database))


def _took(seconds: int) -> Text:
    return Text("{time}, as the last drill did", time=Seconds(seconds))


def named(names: Sequence[str]) -> Text:
    """The first ten of them, and how many there are besides."""
    first = ", ".join(names[:NAMED])
    if len(names) <= NAMED:
        return Text("{names}", names=first)
    return Text("{names} and {count} more", names=first, count=len(names) - NAMED)
