"""A pair of users on a real mongod with authentication: nobody who works is interrupted, and the retired one is out."""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from bot.adapters.mongo.accounts import MongoAccounts
from handlers.core.accounts import Credentials
from handlers.core.errors import OutsideError
from handlers.core.secret_stores import Sealed
from sandbox.servers.mongod import Mongod
from tests.conftest import needs

ROLES: list[Any] = [{"role": "readWrite", "db": "shop"}]


@pytest.fixture(scope="module")
def server() -> Iterator[Mongod]:
    needs("mongod")
    with Mongod(authentication=True) as running:
        yield running


@pytest.fixture
def accounts(server: Mongod, tmp_path: Path) -> MongoAccounts:
    """The pair as a team would have made it, its idle user's roles drifted."""
    with server.client() as client:
        for user in ("app_a", "app_b"):
            with contextlib.suppress(OperationFailure):
                client.admin.command("dropUser", user)
        client.admin.command("createUser", "app_a", pwd="first", roles=ROLES)
        client.admin.command("createUser", "app_b", pwd="idle", roles=[{"role": "read", "db": "other"}])
    file = tmp_path / "admin-uri"
    file.write_text(server.uri())
    return MongoAccounts(file, canary="shop.probe", seconds=2)


def new(user: str = "app_b") -> Credentials:
    return Credentials(user, secrets.token_hex(16))


def client_of(server: Mongod, user: Credentials) -> MongoClient[dict[str, Any]]:
    place = f"127.0.0.1:{server.port}/?directConnection=true&authSource=admin"
    return MongoClient(f"mongodb://{user.username}:{quote(user.password)}@{place}", serverSelectionTimeoutMS=3000)


def test_the_other_user_gets_the_password_and_the_roles_of_the_one_in_use(
    server: Mongod, accounts: MongoAccounts
) -> None:
    other = new()
    accounts.prepare(other, "app_a")
    accounts.works(other)
    with server.client() as client:
        found = client.admin.command("usersInfo", "app_b")["users"][0]
    assert found["roles"] == ROLES


def test_a_user_that_is_not_there_is_made(server: Mongod, accounts: MongoAccounts) -> None:
    with server.client() as client:
        client.admin.command("dropUser", "app_b")
    other = new()
    for _ in range(2):
        accounts.prepare(other, "app_a")
    accounts.works(other)


def test_a_wrong_password_does_not_work_and_is_not_told(accounts: MongoAccounts) -> None:
    with pytest.raises(OutsideError) as caught:
        accounts.works(Credentials("app_a", "CANARY"))
    assert caught.value.permanent
    assert "CANARY" not in str(caught.value)


def test_a_user_that_cannot_write_does_not_work(server: Mongod, accounts: MongoAccounts) -> None:
    with server.client() as client:
        client.admin.command("updateUser", "app_a", roles=[{"role": "read", "db": "shop"}])
    with pytest.raises(OutsideError, match="cannot write"):
        accounts.works(Credentials("app_a", "first"))


def test_a_user_that_may_do_what_no_application_may_does_not_work(server: Mongod, accounts: MongoAccounts) -> None:
    with server.client() as client:
        client.admin.command("updateUser", "app_a", roles=["root"])
    with pytest.raises(OutsideError, match="may list users"):
        accounts.works(Credentials("app_a", "first"))


def test_there_must_be_a_user_to_be_like(accounts: MongoAccounts) -> None:
    with pytest.raises(OutsideError, match="no user nobody"):
        accounts.prepare(new(), "nobody")


def test_who_is_connected_goes_on_when_the_other_one_changes(server: Mongod, accounts: MongoAccounts) -> None:
    failed, ending = [], threading.Event()
    with client_of(server, Credentials("app_a", "first")) as client:

        def work() -> None:
            while not ending.is_set():
                try:
                    client.shop.work.insert_one({})
                except PyMongoError as error:
                    failed.append(error)

        working = threading.Thread(target=work)
        working.start()
        other = new()
        accounts.prepare(other, "app_a")
        accounts.works(other)
        ending.set()
        working.join()
    assert failed == []


def test_a_changed_password_alone_does_not_end_who_is_connected(server: Mongod, accounts: MongoAccounts) -> None:
    """Why `lock` does more than that."""
    with client_of(server, Credentials("app_a", "first")) as client:
        client.shop.work.find_one()
        with server.client() as admin:
            admin.admin.command("updateUser", "app_a", pwd="second")
        client.shop.work.find_one()


def test_who_is_locked_is_out_at_once_connected_or_not_and_keeps_the_roles(
    server: Mongod, accounts: MongoAccounts
) -> None:
    with client_of(server, Credentials("app_a", "first")) as client:
        client.shop.work.find_one()
        accounts.lock("app_a", Sealed(secrets.token_hex(16).encode()))
        with pytest.raises(PyMongoError):
            client.shop.work.find_one()
    with pytest.raises(OutsideError, match="does not get in"):
        accounts.works(Credentials("app_a", "first"))
    other = new("app_a")
    accounts.prepare(other, "app_a")
    accounts.works(other)


def test_a_server_that_does_not_answer_is_worth_another_try(tmp_path: Path) -> None:
    file = tmp_path / "admin-uri"
    file.write_text("mongodb://root:CANARY@127.0.0.1:9/?serverSelectionTimeoutMS=300")
    with pytest.raises(OutsideError) as caught:
        MongoAccounts(file).prepare(new(), "app_a")
    assert "CANARY" not in str(caught.value)
