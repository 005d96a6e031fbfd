"""The primary of a replica set, and how far its oplog goes.

- A slice begins where a majority was: there are no holes before that, as there may be before the newest entry. An open
  prepared transaction, or a large one whose entries began before, moves the beginning back (mongodump does the same).
- It must stay the primary: a dump reads what a majority may not have yet, and that could be rolled back. Each election
  has an id, which `hello` tells (mongodb.com/docs, "hello", `electionId`).
- Rights: `hello` needs none; the role `backup` may read `local.oplog.rs` and `config.transactions`, a user of one
  database may not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, ReadPreference
from pymongo.database import Database
from pymongo.errors import OperationFailure
from pymongo.read_concern import ReadConcern

from bot.adapters.mongo.entries import RAW, before, optime_of, stamp_of, time_of, unfinished
from handlers.core.formats.optimes import OpTime
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Text

POSITION_LOST = 136
"""What was read of a capped collection is deleted (MongoDB's error_codes.yml, `CappedPositionLost`)."""
_LAST_INCREMENT = 2**32 - 1
_ATTEMPTS = 10


class Primary:
    """What the primary says about its oplog. Raises what the driver raises, and Refusal where there is none."""

    def __init__(self, client: MongoClient[dict[str, Any]]) -> None:
        self._client = client
        found = self._hello()
        if found.get("msg") == "isdbgrid" or not found.get("setName"):
            raise Refusal(
                Text("This MongoDB is not a replica set: it has no oplog to know a database at one time from.")
            )
        self._election = found.get("electionId")
        local: Database[RawBSONDocument] = client.get_database("local").with_options(
            RAW, ReadPreference.PRIMARY, read_concern=ReadConcern("local")
        )
        self.entries = local.get_collection("oplog.rs")

    def applied(self) -> OpTime:
        """The newest entry."""
        return optime_of(self._write()["opTime"]["ts"])

    def majority(self) -> OpTime:
        """The newest entry that a majority has. Raises OutsideError when this is another primary than at first."""
        return optime_of(self._write()["majorityOpTime"]["ts"])

    def oldest(self) -> OpTime:
        """Of the entries that are still there."""
        found = self._oldest_entry()
        if found is None:
            raise OutsideError(Text("The oplog of this MongoDB is empty."))
        return time_of(found)

    def _oldest_entry(self) -> RawBSONDocument | None:
        """Asked again when the server deletes it while it is looked for."""
        for left in reversed(range(_ATTEMPTS)):
            try:
                return self.entries.find_one({}, {"ts": 1}, sort=[("$natural", 1)])
            except OperationFailure as error:
                if error.code != POSITION_LOST or not left:
                    raise
        return None

    def beginning(self, majority: OpTime) -> OpTime:
        """Where a slice must begin that is to hold every transaction that had not committed by then."""
        start = majority
        at: OpTime | None = majority
        while at is not None:
            entry = self.entries.find_one({"ts": stamp_of(at)})
            if entry is None or entry["op"] != "c" or "applyOps" not in entry["o"] or not unfinished(entry):
                break
            start, at = _just_before(at), before(entry)
        opened = self._client.get_database("config").get_collection(
            "transactions", read_preference=ReadPreference.PRIMARY
        )
        for each in opened.find({"state": {"$in": ["prepared", "inProgress"]}, "startOpTime": {"$exists": True}}):
            start = min(start, _just_before(optime_of(each["startOpTime"]["ts"])))
        return start

    def _write(self) -> Mapping[str, Any]:
        found = self._hello()
        if found.get("electionId") != self._election:
            raise OutsideError(
                Text("The primary of the replica set changed while its oplog was read. What was read is not used.")
            )
        return dict(found["lastWrite"])

    def _hello(self) -> dict[str, Any]:
        return self._client.get_database("admin", read_preference=ReadPreference.PRIMARY).command("hello")


def _just_before(time: OpTime) -> OpTime:
    return OpTime(time.seconds, time.increment - 1) if time.increment else OpTime(time.seconds - 1, _LAST_INCREMENT)
