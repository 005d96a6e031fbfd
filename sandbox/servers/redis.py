"""A redis-server as the bot wants it: append-only file on, and nothing ever evicted."""

from __future__ import annotations

import redis

from sandbox.parts import require
from sandbox.servers.ports import free_port
from sandbox.servers.process import Server

BUS = 10_000
"""So far from its port is that of a cluster's own talk."""


class RedisServer(Server):
    """One Redis without a password. What it has answered survives kill -9 and a restart."""

    name = "redis"
    databases = 1024

    def __init__(self, *arguments: str, memory_megabytes: int = 256) -> None:
        super().__init__()
        if "--cluster-enabled" in arguments:
            self.port = free_port(also=BUS)
        self._arguments = arguments
        self._memory_megabytes = memory_megabytes

    @property
    def url(self) -> str:
        """The address of its database 0."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """The address of one of its numbered databases."""
        return f"redis://127.0.0.1:{self.port}/{database}"

    def flush(self) -> None:
        """FLUSHALL: empties every database, as an operator's mistake would."""
        with redis.Redis.from_url(self.url) as client:
            client.flushall()

    def command(self) -> list[str]:
        """Append-only without snapshots, so that one file holds the truth."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self.folder),
            "databases": str(self.databases),
            "appendonly": "yes",
            "maxmemory": f"{self._memory_megabytes}mb",
            "maxmemory-policy": "noeviction",
            "save": "",
        }
        options = [word for key, value in settings.items() for word in (f"--{key}", value)]
        return [str(require("redis-server")), *options, *self._arguments]

    def is_ready(self) -> bool:
        """It answers PING, and has read its file."""
        with redis.Redis.from_url(self.url, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
