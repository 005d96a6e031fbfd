"""A Redis with two replicas and three Sentinels that watch it, as the bot wants them: real ones, in a hurry."""

from __future__ import annotations

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Self

import redis
from redis.sentinel import Sentinel as Asked

from sandbox.parts import require
from sandbox.servers.process import NotReady, Server
from sandbox.servers.redis import RedisServer

SERVICE = "negahban"
QUORUM = 2
_CONFIGURATION = """bind 127.0.0.1
port {port}
dir {folder}
sentinel monitor {service} 127.0.0.1 {master} {quorum}
sentinel down-after-milliseconds {service} 1000
sentinel failover-timeout {service} 3000
"""


class Sentinel(Server):
    """One Sentinel."""

    name = "sentinel"

    def __init__(self, master: int) -> None:
        super().__init__()
        self._master = master

    def prepare(self) -> None:
        """Its configuration, which it rewrites."""
        (self.folder / "sentinel.conf").write_text(
            _CONFIGURATION.format(
                port=self.port, folder=self.folder, service=SERVICE, master=self._master, quorum=QUORUM
            )
        )

    def command(self) -> list[str]:
        """The same program as the server's."""
        return [str(require("redis-server")), str(self.folder / "sentinel.conf"), "--sentinel"]

    def is_ready(self) -> bool:
        """It answers PING."""
        with redis.Redis(port=self.port, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


class Watched:
    """All six, running while entered."""

    def __init__(self, *arguments: str) -> None:
        """`arguments`: more for every redis-server."""
        self._arguments = ("--min-replicas-to-write", "1", "--repl-diskless-sync-delay", "0", *arguments)
        self._ending = ExitStack()
        self.servers: list[RedisServer] = []
        self.sentinels: list[Sentinel] = []

    @property
    def url(self) -> str:
        """What REDIS_URL is set to."""
        hosts = ",".join(f"127.0.0.1:{each.port}" for each in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    @property
    def master(self) -> RedisServer:
        """Which server the Sentinels name."""
        asked = Asked([("127.0.0.1", each.port) for each in self.sentinels], socket_timeout=1)
        try:
            _, port = asked.discover_master(SERVICE)
        finally:
            asked.close()
        return next(each for each in self.servers if each.port == port)

    def fail_over(self, seconds: float = 30.0) -> float:
        """Kills the master and waits until the Sentinels name another; how long that took. Raises NotReady."""
        old, began = self.master, time.monotonic()
        old.kill()
        while time.monotonic() - began < seconds:
            try:
                if self.master is not old:
                    return time.monotonic() - began
            except redis.RedisError:
                pass
            time.sleep(0.05)
        raise NotReady(f"no other master in {seconds:.0f} s:\n{self.sentinels[0].log_tail()}")

    def __enter__(self) -> Self:
        try:
            first = self._started(RedisServer(*self._arguments))
            follow = ("--replicaof", "127.0.0.1", str(first.port))
            for _ in range(2):
                self._started(RedisServer(*follow, *self._arguments))
            for _ in range(3):
                self.sentinels.append(self._ending.enter_context(Sentinel(first.port)))
            self._wait_until_all_know_each_other()
        except BaseException:
            self._ending.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.close()

    def _started(self, server: RedisServer) -> RedisServer:
        self.servers.append(self._ending.enter_context(server))
        return server

    def _wait_until_all_know_each_other(self) -> None:
        end = time.monotonic() + 30
        while not all(self._knows_all(each) for each in self.sentinels):
            if time.monotonic() > end:
                raise NotReady("the Sentinels do not know each other and both replicas")
            time.sleep(0.1)

    def _knows_all(self, sentinel: Sentinel) -> bool:
        with redis.Redis(port=sentinel.port, socket_timeout=2) as client:
            known = client.sentinel_masters()[SERVICE]
        return (known["num-other-sentinels"], known["num-slaves"]) == (2, 2)
