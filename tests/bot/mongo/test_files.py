"""A server that may hold few files open: it says how many, and nothing is begun that would end it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest

from bot.adapters.mongo import MongoDatabase
from handlers.core.door.desk import Said
from handlers.core.words.answers import Invocation
from sandbox.servers.mongod import Mongod
from tests.chaos.house import SARA, house

FEW = 700
COLLECTIONS = 200


@pytest.fixture(scope="module")
def narrow() -> Iterator[Mongod]:
    """Its live collections fit; as many beside them do not."""
    with Mongod(open_files=FEW, authentication=True) as server:
        with server.client() as client:
            for number in range(COLLECTIONS):
                client.shop[f"customer.{number}"].insert_one({"_id": 1, "n": number})
        yield server


def test_how_many_files_it_may_open_and_does_is_told(narrow: Mongod) -> None:
    with closing(MongoDatabase(narrow.uri("shop"))) as database:
        found = database.files()
    assert found is not None
    assert found.most == FEW
    assert 2 * COLLECTIONS < found.held < FEW
    assert found.connections > 0


def test_whoever_may_not_ask_does_not_know(narrow: Mongod) -> None:
    with narrow.client() as client:
        client.admin.command("createUser", "few", pwd="a long word", roles=["backup"])
    uri = narrow.uri("shop").replace(f"{narrow.user}:{narrow.password}", f"few:{quote('a long word')}")
    with closing(MongoDatabase(uri)) as database:
        assert database.files() is None


def test_a_restore_that_would_end_it_is_refused_and_a_smaller_one_is_not(
    narrow: Mongod, redis_url: str, tools_path: str, tmp_path: Path
) -> None:
    built = house(narrow.uri("shop"), redis_url, tmp_path / "backups", tools_path)
    try:
        saved = built.asked("backup", "now")
        built.desk.work(saved)
        answer = built.desk.ask(Invocation("restore", ("latest",), SARA, "C0OPS"))
        assert isinstance(answer, Said)
        assert str(answer.card.title).startswith(f"MongoDB may hold {FEW} files open there")
        restored = built.asked("restore", "latest", "only", "customer.7")
        built.desk.work(restored)
        assert built.loaded(restored).outcome is not None
        assert built.loaded(restored).state.value == "done"
    finally:
        built.database.close()
    assert narrow.members[0].alive
