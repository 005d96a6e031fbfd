"""A MongoDB replica set of one member or more, each a real mongod on loopback."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from sandbox.parts import require
from sandbox.servers.process import NotReady, Server

SET_NAME = "rs0"
_ALREADY_INITIALIZED = 23


class Member(Server):
    """One mongod. It is ready when it answers; whether it is the primary, its set knows."""

    name = "mongod"
    ready_seconds = 60
    grace_seconds = 0
    """Its data goes with it, so nothing is gained by an orderly shutdown, which takes seconds."""

    def __init__(self, cache_gigabytes: float, key: str | None, arguments: Sequence[str], open_files: int = 0) -> None:
        super().__init__()
        self._open_files = open_files
        self._cache_gigabytes = cache_gigabytes
        self._key = key
        self._arguments = list(arguments)

    def prepare(self) -> None:
        """The data folder, and the key file that members with authentication share."""
        (self.folder / "data").mkdir()
        if self._key is not None:
            key_file = self.folder / "key"
            key_file.touch(mode=0o600)
            key_file.write_text(self._key)

    def command(self) -> list[str]:
        """Journalled WiredTiger with a small cache, logging to its standard output."""
        command = [str(require("mongod")), "--dbpath", str(self.folder / "data"), "--port", str(self.port)]
        command += ["--bind_ip", "127.0.0.1", "--nounixsocket", "--replSet", SET_NAME]
        command += ["--wiredTigerCacheSizeGB", str(self._cache_gigabytes), "--oplogSize", "128"]
        command += ["--setParameter", "diagnosticDataCollectionEnabled=false"]
        if self._key is not None:
            command += ["--keyFile", str(self.folder / "key")]
        command += self._arguments
        if self._open_files:
            command = ["sh", "-c", f'ulimit -n {self._open_files} && exec "$@"', "mongod", *command]
        return command

    def is_ready(self) -> bool:
        """It answers `hello`."""
        try:
            with direct_client(self.port) as client:
                return bool(client.admin.command("hello")["ok"])
        except PyMongoError:
            return False


class Mongod:
    """A replica set. Ready when it has a primary; `restart` of a member keeps its data and port."""

    def __init__(
        self,
        members: int = 1,
        *,
        cache_gigabytes: float = 0.25,
        authentication: bool = False,
        arguments: Sequence[str] = (),
        open_files: int = 0,
    ) -> None:
        """`arguments` are added to each mongod's, as ("--setParameter", "ttlMonitorSleepSecs=1"). `open_files`: how
        many it may hold open; 0: as many as whoever starts it."""
        key = secrets.token_hex(32) if authentication else None
        self.user, self.password = ("root", secrets.token_hex(16)) if authentication else ("", "")
        self.members = [Member(cache_gigabytes, key, arguments, open_files) for _ in range(members)]

    @property
    def port(self) -> int:
        """The first member's port."""
        return self.members[0].port

    @property
    def pid(self) -> int:
        """The first member's process id."""
        return self.members[0].pid

    def uri(self, database: str = "") -> str:
        """The address of a database in the set, with the user and password when there are any."""
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        account = f"{self.user}:{self.password}@" if self.user else ""
        source = "&authSource=admin" if self.user else ""
        return f"mongodb://{account}{hosts}/{quote(database, safe='')}?replicaSet={SET_NAME}{source}"

    def client(self) -> MongoClient[dict[str, Any]]:
        """A client of the set, to be closed by the caller."""
        return MongoClient(self.uri(), tz_aware=True, serverSelectionTimeoutMS=10_000)

    def start(self) -> Self:
        """Starts all members, makes them a set, and waits for a primary."""
        try:
            for member in self.members:
                member.start()
            self._initiate()
            self.wait_for_primary()
            if self.user:
                self._create_user()
        except BaseException:
            self.stop()
            raise
        return self

    def kill(self, member: int = 0) -> None:
        """SIGKILL of one member."""
        self.members[member].kill()

    def restart(self, member: int = 0) -> None:
        """Starts one member again on its data, and waits until the set has a primary."""
        self.members[member].restart()
        self.wait_for_primary()

    def stop(self) -> None:
        """Ends every member and removes their folders."""
        with ExitStack() as stack:
            for member in self.members:
                stack.callback(member.stop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def wait_for_primary(self, seconds: float = 60) -> None:
        """Waits until a member that runs says it is the writable primary. Raises NotReady."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._primary() is not None:
                return
            time.sleep(0.05)
        logs = "\n".join(member.log_tail(5) for member in self.members)
        raise NotReady(f"the replica set had no primary in {seconds} s:\n{logs}")

    def _primary(self) -> Member | None:
        for member in self.members:
            try:
                with direct_client(member.port) as client:
                    if client.admin.command("hello").get("isWritablePrimary"):
                        return member
            except PyMongoError:
                continue
        return None

    def _initiate(self) -> None:
        hosts = [{"_id": number, "host": f"127.0.0.1:{member.port}"} for number, member in enumerate(self.members)]
        with direct_client(self.port) as client:
            try:
                client.admin.command(
                    "replSetInitiate",
                    {"_id": SET_NAME, "members": hosts, "settings": {"electionTimeoutMillis": 2000}},
                )
            except OperationFailure as error:
                if error.code != _ALREADY_INITIALIZED:
                    raise

    def _create_user(self) -> None:
        """The first user, by the localhost exception; only the primary can write it."""
        primary = self._primary() or self.members[0]
        with direct_client(primary.port) as client:
            client.admin.command("createUser", self.user, pwd=self.password, roles=["root"])


def direct_client(port: int) -> MongoClient[dict[str, Any]]:
    """A client of one member. Make it anew for each use: one made before the set was stays confused."""
    return MongoClient(
        f"mongodb://127.0.0.1:{port}/",
        directConnection=True,
        serverSelectionTimeoutMS=1000,
        connectTimeoutMS=1000,
        socketTimeoutMS=20_000,
    )
