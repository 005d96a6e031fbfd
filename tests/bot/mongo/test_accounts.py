"""A pair of users on a real mongod with authentication: nobody who works is interrupted, and the retired one is out."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from bot.adapters.mongo.accounts import MongoAccounts
from handlers.core.rotation.accounts import Credentials
from handlers.core.rotation.secret_stores import Sealed
from handlers.core.words.errors import OutsideError
from sandbox.servers.mongod import Mongod
from tests.conftest import needs
from tests.depth import FULL
from tests.handlers.test_rotations import PAIR, House, state_of

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


@pytest.mark.parametrize("there", [True, False], ids=["drifted", "missing"])
def test_the_other_user_gets_the_restrictions_and_the_mechanisms_too(
    server: Mongod, accounts: MongoAccounts, there: bool
) -> None:
    """Who may sign in only from the application's host may do so only from there after a rotation as well."""
    wanted = [{"clientSource": ["127.0.0.1"]}]
    with server.client() as client:
        client.admin.command(
            "updateUser",
            "app_a",
            pwd="first",
            mechanisms=["SCRAM-SHA-256"],
            authenticationRestrictions=[{"clientSource": ["127.0.0.1"]}],
        )
        if not there:
            client.admin.command("dropUser", "app_b")
        accounts.prepare(new(), "app_a")
        asked = {"user": "app_b", "db": "admin"}
        found = client.admin.command("usersInfo", asked, showAuthenticationRestrictions=True)["users"][0]
    assert found["mechanisms"] == ["SCRAM-SHA-256"]
    assert found["authenticationRestrictions"] == wanted
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


class Shop:
    """An application at work: so many operations a second, by the user that the store calls current, over a client
    that is made anew when it is told to read that again. `failed`: what went wrong, whatever it was."""

    def __init__(self, server: Mongod, read: Callable[[], Credentials], rate: int, threads: int = 4) -> None:
        self._server, self._read, self._pause = server, read, threads / rate
        self._client = client_of(server, read())
        self._clients = [self._client]
        self._ending = threading.Event()
        self.failed: list[str] = []
        self.late = 0.0
        self.done = [0] * threads
        self._threads = [threading.Thread(target=self._work, args=(number,)) for number in range(threads)]

    def _work(self, number: int) -> None:
        due = time.monotonic()
        while not self._ending.is_set():
            try:
                shop = self._client.shop.work
                if self.done[number] % 2:
                    shop.find_one({"_id": {"$gt": None}})
                else:
                    shop.insert_one({"thread": number})
            except PyMongoError as error:
                self.failed.append(f"{type(error).__name__}: {error}")
            self.done[number] += 1
            due += self._pause
            self.late = max(self.late, time.monotonic() - due)
            time.sleep(max(0.0, due - time.monotonic()))

    def roll_out(self, beat: object = ()) -> None:
        """New work goes over a new client; what is under way ends over the former one."""
        self._client = client_of(self._server, self._read())
        self._clients.append(self._client)

    def drop_former(self) -> None:
        """As a program does some seconds after it got a new value."""
        for each in self._clients[:-1]:
            each.close()

    def __enter__(self) -> Self:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        for client in self._clients:
            client.close()


RATE = 200
SECONDS = 60.0 if FULL else 2.0


@pytest.mark.timeout(240)
def test_no_operation_fails_at_200_a_second_while_the_pair_is_rotated_and_the_former_user_retired(
    server: Mongod, accounts: MongoAccounts, record_property: Callable[[str, object], None]
) -> None:
    """Rotated, retired, and rotated back to the first user, by the engine over a real mongod."""
    house = House(None, replace(PAIR, overlap=timedelta(seconds=1)))
    house.secrets.put("mongo", Credentials("app_a", "first").sealed().reveal())
    house.accounts = accounts  # type: ignore[assignment]

    def current() -> Credentials:
        return Credentials.read(Sealed(house.secrets.seen("mongo")))

    began = time.monotonic()
    with Shop(server, current, RATE) as shop:
        app = house.apps["mongo"]
        read = app.roll_out

        def roll_out(beat: object = ()) -> None:
            read()
            shop.roll_out()

        app.roll_out = roll_out  # type: ignore[method-assign]
        app.roll_out()
        house.desk = house.new_desk()
        for user in ("app_b", "app_a"):
            time.sleep(SECONDS / 4)
            assert state_of(house.done("mongo")) == "soaking"
            assert current().username == user
            time.sleep(SECONDS / 4)
            shop.drop_former()
            house.clock.advance(3600)
            assert state_of(house.done("mongo", "retire")) == "retired"
        time.sleep(SECONDS / 4)
    seconds = time.monotonic() - began
    record_property("operations", sum(shop.done))
    record_property("a_second", round(sum(shop.done) / seconds))
    print(f"{sum(shop.done)} operations in {seconds:.1f} s, {len(shop.failed)} failed, at most {shop.late:.2f} s late")
    assert shop.failed == []
    assert sum(shop.done) > 100
