"""The shared state in Redis.

- A value and its version are one hash, changed by Lua scripts: one step over all processes.
- Versions are random and made here, so none is ever used twice. A write whose answer was lost is reported as failed:
  it may have happened, and the caller's next compare-and-set finds out.
- `incarnation` joins the server's run id with an epoch kept in it: a restart changes the first, a flush the second.
- `noeviction` is demanded: a memory that forgets under pressure would forget which codes are spent.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from handlers.core.errors import OutsideError
from handlers.core.ports import Held
from handlers.core.text import Text

PREFIX = "negahban:"
EPOCH = "epoch"
CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0

_PUT_IF = """
local now = redis.call('HGET', KEYS[1], 'version')
if now == false then now = '' end
if now ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'value', ARGV[3])
if ARGV[4] == '0' then redis.call('PERSIST', KEYS[1]) else redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
"""
_DELETE_IF = """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""

_T = TypeVar("_T")


class RedisState:
    """State (see the port) in one Redis database."""

    def __init__(self, url: str) -> None:
        self._client: Any = redis.Redis.from_url(
            url,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            health_check_interval=15,
            retry=Retry(NoBackoff(), 0),
        )
        self._put_script = self._client.register_script(_PUT_IF)
        self._delete_script = self._client.register_script(_DELETE_IF)

    def get(self, key: str) -> Held | None:
        """See the port."""
        found = _read(lambda: self._client.hmget(PREFIX + key, "version", "value"))
        return None if found[0] is None else Held(found[1], found[0].decode())

    def put_if(self, key: str, value: bytes, version: str | None, *, seconds: int | None = None) -> str | None:
        """See the port."""
        new = secrets.token_hex(12)
        arguments: list[str | bytes] = [version or "", new, value, "0" if seconds is None else str(seconds * 1000)]
        return new if _write(lambda: self._put_script(keys=[PREFIX + key], args=arguments)) else None

    def delete_if(self, key: str, version: str) -> bool:
        """See the port."""
        return bool(_write(lambda: self._delete_script(keys=[PREFIX + key], args=[version])))

    def keys(self, prefix: str) -> tuple[str, ...]:
        """See the port."""
        pattern = PREFIX + "".join(f"\\{each}" if each in "*?[]^\\" else each for each in prefix) + "*"
        found = _read(lambda: {key.decode() for key in self._client.scan_iter(match=pattern, count=1000)})
        return tuple(sorted(key.removeprefix(PREFIX) for key in found))

    def incarnation(self) -> str:
        """See the port."""
        run_id = str(_read(lambda: self._client.info("server"))["run_id"])
        epoch = self.get(EPOCH)
        if epoch is None:
            self.put_if(EPOCH, secrets.token_hex(8).encode(), None)
            epoch = self.get(EPOCH)
        if epoch is None:
            raise _away()
        return f"{run_id}.{epoch.value.decode()}"

    def check(self) -> tuple[Text, ...]:
        """What about this Redis is not safe. Raises OutsideError."""
        memory = _read(lambda: self._client.info("memory"))
        persistence = _read(lambda: self._client.info("persistence"))
        problems = []
        if memory.get("maxmemory_policy", "noeviction") != "noeviction":
            problems.append(
                Text(
                    "maxmemory-policy is {policy}: it must be noeviction, or spent codes are forgotten",
                    policy=str(memory["maxmemory_policy"]),
                )
            )
        if not persistence.get("aof_enabled"):
            problems.append(Text("appendonly is off: a restart forgets jobs and makes everybody wait with their codes"))
        return tuple(problems)


def _read(action: Callable[[], _T]) -> _T:
    """Once more after a connection that had gone stale: reading twice changes nothing."""
    try:
        return action()
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
        return _write(action)
    except redis.exceptions.RedisError as error:
        raise _away() from error


def _write(action: Callable[[], _T]) -> _T:
    try:
        return action()
    except redis.exceptions.RedisError as error:
        raise _away() from error


def _away() -> OutsideError:
    return OutsideError(Text("Redis does not answer, so nothing was decided. It is tried again when it is back."))
