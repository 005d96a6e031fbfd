"""A program that serves while its secrets are rotated, and a probe that asks it 200 times a second.

- The program is the example backend under real Node: its sessions, its encrypted data and its user of a real mongod
  with authentication. `NodeApp` stands in the place of FakeApp, with the same calls.
- The probe asks for what people do: a session from before, a fresh login, reading and writing encrypted data.
"""

from __future__ import annotations

import http.client
import itertools
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pymongo import MongoClient
from pymongo.errors import OperationFailure

from bot.adapters.command import ShellCommand
from bot.adapters.consumer import HttpConsumer
from bot.adapters.mongo.accounts import MongoAccounts
from handlers.core.rotation.accounts import Credentials
from handlers.core.rotation.data_keys import Batch, KeyCounts
from handlers.core.rotation.secret_stores import Report, Sealed
from handlers.core.rotation.secrets import Use
from sandbox.servers.backend import Backend
from sandbox.servers.mongod import Mongod
from tests.chaos.test_reencryption import Cards
from tests.fake_secrets import BATCH, FakeApp
from tests.fakes import Faults
from tests.handlers.test_rotations import FIRST

RATE, ASKING = 200, 4
DATABASE, CUSTOMERS = "shop", tuple(f"{number:02}" for number in range(8))
ROLES: list[Any] = [{"role": "readWrite", "db": DATABASE}]
SECRETS = ("jwt", "data", "mongo")


@dataclass
class Served:
    """The program, its database, and all that was asked of it."""

    backend: Backend
    mongod: Mongod
    folder: Path
    asked: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    cases: int = 0

    @property
    def cards(self) -> Cards:
        return Cards(self.folder / "data")

    @contextmanager
    def shop(self) -> Iterator[Any]:
        with self.mongod.client() as client:
            yield client[DATABASE]

    def reset(self) -> None:
        """As before any rotation: the users, the data, and what the program reads."""
        shutil.rmtree(self.folder / ".versions", ignore_errors=True)
        with self.mongod.client() as client:
            for user, password in (("app_a", Credentials.read(Sealed(FIRST["mongo"])).password), ("app_b", "idle")):
                try:
                    client.admin.command("updateUser", user, pwd=password, roles=ROLES)
                except OperationFailure:
                    client.admin.command("createUser", user, pwd=password, roles=ROLES)
        for name in SECRETS:
            given(self.folder / name, FIRST[name])
        self.fill(dict.fromkeys(CUSTOMERS, "k-first"))

    def fill(self, data: dict[str, str]) -> None:
        """What a restore brings back."""
        with self.shop() as shop:
            shop.customers.delete_many({})
            shop.customers.insert_many(
                {"_id": each, "card": self.cards.seal(each, f"card {each}", key)} for each, key in data.items()
            )


def given(file: Path, value: bytes) -> None:
    """To a program, as a command of a roll-out would: it never reads half of it."""
    fresh = file.with_name(f"{file.name}.given")
    fresh.write_bytes(value)
    fresh.chmod(0o600)
    fresh.replace(file)


class RealAccounts:
    """A real pair of users, with faults (calls `accounts.…`)."""

    def __init__(self, served: Served, folder: Path, faults: Faults) -> None:
        file = folder / "admin-uri"
        file.write_text(served.mongod.uri())
        self._accounts = MongoAccounts(file, canary=f"{DATABASE}.probe", seconds=2)
        self._faults, self._port = faults, served.mongod.port

    def prepare(self, new: Credentials, like: str) -> None:
        with self._faults.at("accounts.prepare"):
            self._accounts.prepare(new, like)

    def works(self, new: Credentials) -> None:
        with self._faults.at("accounts.works"):
            self._accounts.works(new)

    def lock(self, user: str, unknown: Sealed) -> None:
        with self._faults.at("accounts.lock"):
            self._accounts.lock(user, unknown)

    def lets_in(self, user: Credentials) -> bool:
        place = f"127.0.0.1:{self._port}/?directConnection=true&authSource=admin"
        client: MongoClient[Any] = MongoClient(f"mongodb://{user.username}:{user.password}@{place}")
        with client:
            try:
                client[DATABASE].probe.find_one()
            except OperationFailure:
                return False
        return True


class NodeApp(FakeApp):
    """The example backend, in the place of the fake, with the same calls."""

    def __init__(self, served: Served, name: str, read: Callable[[], bytes], faults: Faults) -> None:
        super().__init__(read, faults, 1)
        self._served, self._name = served, name
        url = served.backend.url
        given(served.folder / "login.json", json.dumps({"user": "p", "password": served.backend.password}).encode())
        use = Use(
            "api",
            reports=(f"{url}/internal/secrets",),
            health=f"{url}/health",
            reencrypt=f"{url}/internal/encryption" if name == "data" else "",
        )
        if name == "jwt":
            body = str(served.folder / "login.json")
            use = replace(use, login=f"{url}/login", login_body=body, check=f"{url}/me")
        self._shop = HttpConsumer(use, ShellCommand("", ""), ShellCommand("", ""))
        self._given()

    def _given(self) -> None:
        self.values = [self._read()]
        if (self._served.folder / self._name).read_bytes() != self.values[0]:
            given(self._served.folder / self._name, self.values[0])

    def roll_out(self, beat: Iterable[None] = ()) -> None:
        with self._faults.at("app.roll_out"):
            self._given()

    def reports(self, secret: str) -> tuple[Report, ...]:
        with self._faults.at("app.reports"):
            return self._shop.reports(secret)

    def healthy(self) -> bool:
        with self._faults.at("app.healthy"):
            return self._shop.healthy()

    def log_in(self) -> Sealed | None:
        with self._faults.at("app.log_in"):
            return self._shop.log_in()

    def accepts(self, token: Sealed) -> bool | None:
        with self._faults.at("app.accepts"):
            return self._shop.accepts(token)

    def verified(self, value: Sealed) -> bool:
        with self._faults.at("app.verified"):
            return self.values == [value.reveal()]

    def encrypted(self) -> KeyCounts | None:
        with self._faults.at("app.encrypted"):
            return self._shop.encrypted()

    def reencrypt(self, key: str, after: str) -> Batch:
        with self._faults.at("app.reencrypt"):
            return self._shop.reencrypt(key, after)

    def session(self, replica: int = 0) -> Sealed:
        return Sealed(self._served.backend.log_in().encode())

    def lets_in(self, token: Sealed) -> bool:
        return self._served.backend.lets_in(token.reveal().decode())

    @property
    def data(self) -> dict[str, str] | None:
        if getattr(self, "_name", "") != "data":
            return None
        with self._served.shop() as shop:
            return {each["_id"]: each["card"]["key"] for each in shop.customers.find()}

    @data.setter
    def data(self, data: dict[str, str] | None) -> None:
        if data is not None:
            self._served.fill(data)

    def readable(self) -> bool:
        token = self._served.backend.log_in()
        return all(self._served.backend.read(each, token) is not None for each in self.data or {})


class Probe:
    """So many requests a second, whatever happens; what was answered otherwise than it must be is in `failed`.
    `session`: of before; none when what is done ends sessions and says so."""

    def __init__(self, served: Served, session: str) -> None:
        self._served, self._session = served, session
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self.asked: Counter[str] = Counter()
        self.failed: list[str] = []
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(ASKING)]
        self.seconds = 0.0

    def _turns(self) -> Iterator[tuple[str, str, str | None]]:
        body = json.dumps({"user": "probe", "password": self._served.backend.password})
        card = json.dumps({"card": "written meanwhile"})
        reading = itertools.cycle(CUSTOMERS[1:])
        while True:
            yield "GET", "/health", None
            yield "POST", "/login", body
            if self._session:
                yield "GET", "/me", None
                yield "GET", f"/customers/{next(reading)}", None
                yield "PUT", f"/customers/{CUSTOMERS[0]}", card

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._served.backend.port, timeout=20)
        headers = {"Authorization": f"Bearer {self._session}"} if self._session else {}
        due = time.monotonic() + number / RATE
        for method, path, body in self._turns():
            if self._ending.wait(max(0.0, due - time.monotonic())):
                break
            due += ASKING / RATE
            try:
                connection.request(method, path, body, headers)
                answer = connection.getresponse()
                answer.read()
                status = str(answer.status)
            except (OSError, http.client.HTTPException) as error:
                status = repr(error)
                connection.close()
            with self._lock:
                self.asked[f"{method} {path.split('/')[1]}"] += 1
                if status != "200":
                    self.failed.append(f"{method} {path}: {status}")
        connection.close()

    def __enter__(self) -> Self:
        self.seconds = -time.monotonic()
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        for each in self._threads:
            each.join()
        self.seconds += time.monotonic()
        self._served.asked += self.asked
        self._served.seconds += self.seconds


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """The program, as before any rotation; says in the end what was asked of it."""
    for name in SECRETS:
        given(folder / name, FIRST[name])
    with Mongod(authentication=True) as mongod:
        address = f"mongodb://127.0.0.1:{mongod.port}/{DATABASE}"
        backend = Backend(
            folder / "jwt", data_ring=folder / "data", database=address, user=folder / "mongo", batch=BATCH
        )
        with backend:
            running = Served(backend, mongod, folder)
            yield running
            rate = sum(running.asked.values()) / max(0.001, running.seconds)
            print(f"{running.cases} cases, {dict(running.asked)}: {rate:.0f} requests a second, none failed")
