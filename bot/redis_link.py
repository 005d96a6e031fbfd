"""What REDIS_URL means: one Redis, or the one that the Sentinels name.

- `redis://` and `rediss://` (with TLS) are one server, as the client library reads them.
- `redis+sentinel://user:password@host:26379,host:26379/service/0` asks the Sentinels, at each new connection, which
  server is the master now; `rediss+sentinel://` with TLS everywhere. `?sentinel_username=…&sentinel_password=…` for
  Sentinels that ask for them. User and password are those of the servers; special characters are written as %XX.
- A cluster is refused: what changes together lies on different servers there (docs/adr/0034-many-replicas.md).
- An answer is waited for so many seconds, and nothing is sent twice.
- No text quotes a part of the address, which may be a part of the password.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text

CONNECT_SECONDS = 2.0
SENTINEL_SECONDS = 0.5
SENTINEL_PORT = 26379
CLUSTER = Text(
    "Redis Cluster cannot be used: what must change together lies on different servers there. Use one Redis, or "
    "Redis Sentinel (redis+sentinel://…)."
)
_SENTINEL = {"redis+sentinel": False, "rediss+sentinel": True}
_CLUSTER = ("redis+cluster", "rediss+cluster")


def guarded_by_sentinels(url: str) -> bool:
    """Whether another server may take over."""
    return url.partition("://")[0] in _SENTINEL


def client(url: str, seconds: float) -> Any:
    """Connects when first used. Raises Refusal for what is not an address of a Redis."""
    if url.partition("://")[0] in _CLUSTER:
        raise Refusal(CLUSTER)
    given = {
        "socket_connect_timeout": min(CONNECT_SECONDS, seconds),
        "socket_timeout": seconds,
        "health_check_interval": 15,
        "retry": Retry(NoBackoff(), 0),
    }
    try:
        return _of_sentinels(url, given) if guarded_by_sentinels(url) else redis.Redis.from_url(url, **given)
    except ValueError:
        # Not `from error`: see the last rule.
        raise Refusal(
            Text(
                "REDIS_URL is not the address of a Redis, like redis://user:password@host:6379/0; special characters "
                "in the password are written as %XX."
            )
        ) from None


def _of_sentinels(url: str, given: dict[str, Any]) -> Any:
    """Raises ValueError."""
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not hosts:
        raise ValueError("no service or no Sentinels")
    tls = {"ssl": True} if _SENTINEL[parts.scheme] else {}
    user, _, password = login.partition(":")
    asked = {name: values[0] for name, values in parse_qs(parts.query, strict_parsing=bool(parts.query)).items()}
    if unknown := asked.keys() - {"sentinel_username", "sentinel_password"}:
        raise ValueError(f"{len(unknown)} unknown options")
    seconds = min(SENTINEL_SECONDS, given["socket_timeout"])
    watched = {"socket_connect_timeout": seconds, "socket_timeout": seconds, "retry": given["retry"], **tls}
    watched |= {name.removeprefix("sentinel_"): value for name, value in asked.items()}
    sentinels = Sentinel([_place(each) for each in hosts.split(",")], sentinel_kwargs=watched)
    names = {"username": unquote(user) or None, "password": unquote(password) or None, "db": int(database or 0)}
    return sentinels.master_for(service, **given, **names, **tls)


def _place(written: str) -> tuple[str, int]:
    found = urlsplit(f"//{written}")
    if not found.hostname:
        raise ValueError("a Sentinel without a name")
    return found.hostname, found.port or SENTINEL_PORT
