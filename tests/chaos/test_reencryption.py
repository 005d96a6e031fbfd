"""A key of data is rotated while the example backend works: no card number is lost, none becomes unreadable.

- The backend is real Node, the database a real mongod, the store of secrets files; people read and write all the time.
- What is stored is opened here once more, by a second implementation of the format (cryptography's AES-GCM).
- A backup of before still restores, and what it brings back is readable, and can be re-encrypted. Until it is gone, the
  key that it needs is not retired.
- `make chaos` does it with 100,000 documents, `make test` with fewer.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from bot.adapters.clock import SystemClock, SystemEntropy
from bot.adapters.command import ShellCommand
from bot.adapters.consumer import HttpConsumer
from bot.adapters.secrets_files import FileSecrets
from bot.worker import Beat
from handlers.core.door.desk import Said
from handlers.core.ports import ArtifactStore
from handlers.core.rotation.estates import Estate
from handlers.core.rotation.secrets import Kind, Managed, Secret, StoreSpec, Use
from handlers.core.words.answers import Invocation
from handlers.core.words.jobs import Job, JobState
from sandbox.servers.backend import Backend
from sandbox.servers.mongod import Mongod
from sandbox.servers.redis import RedisServer
from tests.chaos.house import SARA, House, house
from tests.conftest import needs
from tests.depth import FULL
from tests.fakes import someone
from tests.handlers.test_rotations import text_of

DOCUMENTS = 100_000 if FULL else 3_000
WRITERS = 4
DATABASE = "shop"


class Cards:
    """The format of examples/backend/fields.js. `ring`: the file with the keys."""

    def __init__(self, ring: Path) -> None:
        self.ring = ring

    def seal(self, customer: str, card: str, key: str = "") -> dict[str, str]:
        ring = json.loads(self.ring.read_text())
        key, iv = key or ring["active"], os.urandom(12)
        data = AESGCM(self._secret(ring, key)).encrypt(iv, card.encode(), self._bound(customer, key))
        parts = {"iv": iv, "tag": data[-16:], "data": data[:-16]}
        return {"key": key} | {name: base64.b64encode(each).decode() for name, each in parts.items()}

    def opened(self, documents: Any) -> dict[str, str]:
        """Every card number. Raises InvalidTag or KeyError for what nobody can read."""
        ring = json.loads(self.ring.read_text())
        keys = {key: AESGCM(self._secret(ring, key)) for key in ring["keys"]}
        found = {}
        for each in documents:
            sealed = each["card"]
            iv, tag, data = (base64.b64decode(sealed[name]) for name in ("iv", "tag", "data"))
            bound = self._bound(each["_id"], sealed["key"])
            found[each["_id"]] = keys[sealed["key"]].decrypt(iv, data + tag, bound).decode()
        return found

    @staticmethod
    def _secret(ring: Any, key: str) -> bytes:
        return HKDF(SHA256(), 32, b"", b"customers.card").derive(ring["keys"][key].encode())

    @staticmethod
    def _bound(customer: str, key: str) -> bytes:
        return json.dumps(["customers", "card", customer, key], separators=(",", ":")).encode()


@dataclass
class Scene:
    """What a test looks at."""

    house: House
    backend: Backend
    mongod: Mongod
    cards: Cards
    wrong: list[str] = field(default_factory=list)

    def stored(self) -> dict[str, str]:
        with self.mongod.client() as client:
            return self.cards.opened(client[DATABASE]["customers"].find())

    def done(self, *words: str, by: str = "U0SARA") -> Job:
        job = self.house.asked(*words, by=SARA if by == "U0SARA" else someone(by))
        with Beat(self.house.desk):
            self.house.desk.work(job)
        return self.house.loaded(job)

    def refused(self, *words: str) -> str:
        answer = self.house.desk.ask(Invocation(words[0], words[1:], SARA, "C0OPS"))
        assert isinstance(answer, Said), answer
        return text_of(answer.card)


def estate(store: ArtifactStore, backend: Backend, folder: Path) -> Estate:
    """The example of docs/rotation.md."""
    url = backend.url
    use = Use("shop-api", reports=(f"{url}/internal/secrets",), health=f"{url}/health", seconds=30,
              reencrypt=f"{url}/internal/encryption")  # fmt: skip
    secret = Secret("data", Kind.ENCRYPTION_KEY, "app", "data", overlap=timedelta(seconds=1), uses=(use,))
    consumer = HttpConsumer(use, ShellCommand("", ""), ShellCommand("", ""))
    managed = Managed({"app": StoreSpec("app", "files", str(folder))}, {"data": secret})
    stores, clock = {"app": FileSecrets(folder)}, SystemClock()
    return Estate(managed, stores, {"data": {"shop-api": consumer}}, store, clock, SystemEntropy())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, tools_path: str) -> Iterator[Scene]:
    for part in ("mongod", "redis-server", "node", "mongodump"):
        needs(part)
    base = tmp_path_factory.mktemp("data-key")
    folder = base / "secrets"
    folder.mkdir()
    with Mongod() as mongod, RedisServer() as redis:
        address = f"mongodb://127.0.0.1:{mongod.members[0].port}/{DATABASE}"
        with Backend(base / "jwt", data_ring=folder / "data", database=address) as backend:
            built = house(mongod.uri(DATABASE), redis.url, base / "backups", tools_path,
                          secrets=lambda store: estate(store, backend, folder))  # fmt: skip
            try:
                yield Scene(built, backend, mongod, Cards(folder / "data"))
            finally:
                built.close()


@contextmanager
def working(scene: Scene, expected: dict[str, str]) -> Iterator[list[int]]:
    """People at work: each changes card numbers of customers of their own, and reads; `expected` follows what was
    answered. How many calls there were."""
    over, token, counts = threading.Event(), scene.backend.log_in(), [0] * WRITERS
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def work(number: int) -> None:
        chance, mine = random.Random(number), [f"c-{each:06}" for each in range(number, DOCUMENTS, WRITERS)]
        connection = http.client.HTTPConnection("127.0.0.1", scene.backend.port, timeout=30)
        while not over.is_set():
            customer = chance.choice(mine) if chance.random() < 0.8 else f"new-{number}-{counts[number]}"
            card = f"written {chance.random()}"
            try:
                connection.request("PUT", f"/customers/{customer}", json.dumps({"card": card}), headers)
                answer = connection.getresponse()
                answer.read()
                if answer.status != 200:
                    scene.wrong.append(f"PUT {answer.status}")
                expected[customer] = card
                connection.request("GET", f"/customers/{chance.choice(mine)}", headers=headers)
                read = connection.getresponse()
                read.read()
                if read.status != 200:
                    scene.wrong.append(f"GET {read.status}")
            except (OSError, http.client.HTTPException) as error:
                scene.wrong.append(repr(error))
                connection.close()
            counts[number] += 1
        connection.close()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(WRITERS)]
    for each in threads:
        each.start()
    try:
        yield counts
    finally:
        over.set()
        for each in threads:
            each.join()


@pytest.mark.timeout(600)
def test_everything_is_re_encrypted_under_writers_and_a_backup_of_before_still_restores(scene: Scene) -> None:
    cards = {f"c-{number:06}": f"card {number}" for number in range(DOCUMENTS)}
    with scene.mongod.client() as client:
        client[DATABASE]["customers"].insert_many(
            [{"_id": each, "card": scene.cards.seal(each, card)} for each, card in cards.items()]
        )
    assert scene.backend.read("c-000007", scene.backend.log_in()) == "card 7", "both know the same format"
    before = scene.done("backup", "now")
    assert before.outcome is not None
    assert before.state is JobState.DONE, before.outcome
    backup, at_backup = str(before.outcome.facts["backup"]), dict(cards)
    assert scene.house.catalogue.find(backup).keys == {"data": ("k-first",)}

    begun = time.monotonic()
    with working(scene, cards) as counts:
        job = scene.done("rotate", "data")
    seconds = time.monotonic() - begun
    assert job.state is JobState.DONE, job.outcome
    assert job.outcome is not None
    assert job.outcome.facts["left"] == 0, job.outcome
    assert scene.wrong == []
    assert sum(counts) > 0
    ring = json.loads((scene.cards.ring).read_text())
    assert ring["active"] != "k-first"
    assert scene.backend.counts() == {ring["active"]: len(cards)}, "nothing is under the old key"
    assert scene.stored() == cards, "nothing is lost, nothing is unreadable"
    print(f"{len(cards)} documents, {sum(counts)} writes and as many reads meanwhile, {seconds:.1f} s")

    scene.house.clock.ahead = timedelta(minutes=10)  # the overlap is over
    assert f"need the old key of data; the newest is {backup}" in scene.refused("rotate", "data", "retire")

    restored = scene.done("restore", backup, by="U0OMID")
    assert restored.state is JobState.DONE, restored.outcome
    assert scene.stored() == at_backup
    assert scene.backend.counts() == {"k-first": DOCUMENTS, ring["active"]: 0}
    assert scene.backend.read("c-000007", scene.backend.log_in()) == "card 7"

    again = scene.done("rotate", "data", "reencrypt")
    assert again.state is JobState.DONE, again.outcome
    assert scene.backend.counts() == {ring["active"]: DOCUMENTS}
    assert scene.stored() == at_backup


def test_what_was_tampered_with_or_moved_is_left_as_it_is_and_counted(scene: Scene) -> None:
    whole = scene.cards.ring.read_text()
    ring = json.loads(whole)
    active, ring["keys"]["k-old"] = ring["active"], "o" * 52
    scene.cards.ring.write_text(json.dumps(ring))
    strange = scene.cards.seal("somebody-else", "moved here", "k-old")
    broken = scene.cards.seal("x-broken", "broken", "k-old") | {"tag": base64.b64encode(bytes(16)).decode()}
    good = scene.cards.seal("x-good", "good", "k-old")
    with scene.mongod.client() as client:
        cards = client[DATABASE]["customers"]
        cards.insert_many([{"_id": "x-broken", "card": broken}, {"_id": "x-good", "card": good}])
        cards.insert_one({"_id": "x-moved", "card": strange})
        try:
            batch = {"key": active, "after": ""}
            answers = [scene.backend.ask("POST", "/internal/encryption", body=batch) for _ in range(2)]
            assert answers == [(200, {"moved": moved, "unreadable": 2, "after": ""}) for moved in (1, 0)]
            left = {each["_id"]: each["card"] for each in cards.find({"card.key": "k-old"})}
            assert left == {"x-broken": broken, "x-moved": strange}
            token = scene.backend.log_in()
            assert scene.backend.read("x-good", token) == "good"
            assert scene.backend.ask("GET", "/customers/x-moved", token=token)[0] == 500
            status, told = scene.backend.ask("GET", "/internal/encryption")
            assert (status, told["keys"]["k-old"], "k-old" in told["opens"]) == (200, 2, False)
            assert scene.backend.ask("POST", "/internal/encryption", body={"key": "k-old", "after": ""})[0] == 409
        finally:
            cards.delete_many({"_id": {"$in": ["x-broken", "x-good", "x-moved"]}})
            scene.cards.ring.write_text(whole)
