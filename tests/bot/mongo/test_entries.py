"""Entries are cut out of any pieces, and the operations of a transaction come when it commits, or never."""

from __future__ import annotations

from typing import Any

import bson
import pytest
from bson.raw_bson import RawBSONDocument
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.mongo.entries import RAW, Transactions, entries
from handlers.core.words.errors import Damage

NONE = {"ts": bson.Timestamp(0, 0), "t": -1}


def entry(time: int, body: dict[str, Any], *, op: str = "c", after: int | None = None) -> RawBSONDocument:
    """One of the oplog; `after`: the entry of its chain before it."""
    previous = NONE if after is None else {"ts": bson.Timestamp(1, after), "t": 1}
    whole = {"op": op, "ns": "admin.$cmd", "o": body, "ts": bson.Timestamp(1, time), "prevOpTime": previous}
    return RawBSONDocument(bson.encode(whole), RAW)


def operations(*names: str, **more: object) -> dict[str, Any]:
    """The body of an applyOps."""
    return {"applyOps": [{"op": "i", "ns": "shop.a", "o": {"_id": name}} for name in names], **more}


def happened(*found: RawBSONDocument) -> list[list[str]]:
    """The ids that each entry makes happen."""
    transactions = Transactions()
    return [[str(each["o"]["_id"]) for each in transactions.happened(one)] for one in found]


@given(st.lists(st.binary(max_size=200), max_size=8), st.integers(1, 64))
def test_entries_are_found_in_pieces_of_any_size(blobs: list[bytes], size: int) -> None:
    whole = [bson.encode({"ts": bson.Timestamp(1, n), "blob": blob}) for n, blob in enumerate(blobs)]
    raw = b"".join(whole)
    pieces = [raw[at : at + size] for at in range(0, len(raw), size)]
    assert [bytes(each.raw) for each in entries(pieces)] == whole


@pytest.mark.parametrize(
    "raw",
    [
        bson.encode({"ts": bson.Timestamp(1, 1)})[:-1],
        bson.encode({"ts": 5}),
        bson.encode({}),
        b"\4\0\0\0",
        b"\xff\xff\xff\x7f" + b"x" * 100,
        bson.encode({"ts": bson.Timestamp(1, 1)})[:-1] + b"\1",
    ],
)
def test_what_is_no_entry_is_damage(raw: bytes) -> None:
    with pytest.raises(Damage):
        list(entries([raw]))


def test_a_transaction_in_one_entry_happens_there() -> None:
    assert happened(entry(1, operations("a", "b"))) == [["a", "b"]]
    nested = {"applyOps": [{"op": "c", "ns": "shop.$cmd", "o": operations("a")}, *operations("b")["applyOps"]]}
    assert happened(entry(1, nested)) == [["a", "b"]]


def test_a_large_transaction_happens_with_its_last_entry() -> None:
    chain = (
        entry(1, operations("a", partialTxn=True)),
        entry(2, {"_id": "between"}, op="i"),
        entry(3, operations("b", partialTxn=True), after=1),
        entry(4, operations("c", count=3), after=3),
    )
    assert happened(*chain) == [[], ["between"], [], ["a", "b", "c"]]


def test_a_prepared_transaction_happens_when_it_commits_and_never_when_it_aborts() -> None:
    parts = (entry(1, operations("a", partialTxn=True)), entry(2, operations("b", prepare=True), after=1))
    assert happened(*parts, entry(9, {"commitTransaction": 1}, after=2))[-1] == ["a", "b"]
    assert happened(*parts, entry(9, {"abortTransaction": 1}, after=2))[-1] == []


def test_retryable_writes_in_one_entry_are_no_chain() -> None:
    assert happened(entry(5, operations("a"), after=3)) == [["a"]]


@pytest.mark.parametrize("end", [operations("c", count=3), {"commitTransaction": 1}, {"abortTransaction": 1}])
def test_the_end_of_a_transaction_without_its_beginning_is_damage(end: dict[str, Any]) -> None:
    with pytest.raises(Damage, match="beginning"):
        happened(entry(4, end, after=3))
