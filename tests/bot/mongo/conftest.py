"""The adapter on a database of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, get_args

import pytest
from pymongo.database import Database

from bot.adapters.mongo import Engine, MongoDatabase
from sandbox.servers.mongod import Mongod


@pytest.fixture
def real(mongod: Mongod, database: str) -> Iterator[Database[dict[str, Any]]]:
    """The empty database, by the driver."""
    with mongod.client() as client:
        yield client[database]


@pytest.fixture
def adapter(mongod: Mongod, database: str, tools_path: str) -> Iterator[MongoDatabase]:
    """What is tested."""
    with closing(MongoDatabase(mongod.uri(database), path=tools_path, stall_seconds=20)) as adapter:
        yield adapter


@pytest.fixture(params=get_args(Engine))
def engine(request: pytest.FixtureRequest) -> Engine:
    """What loads."""
    found: Engine = request.param
    return found


@pytest.fixture
def loader(mongod: Mongod, database: str, tools_path: str, engine: Engine) -> Iterator[MongoDatabase]:
    """What is tested, where it loads: by each engine."""
    uri = mongod.uri(database)
    with closing(MongoDatabase(uri, path=tools_path, stall_seconds=20, loader=engine)) as loader:
        yield loader
