"""The shared state in Redis.

- A value and its version are one hash, changed by Lua scripts: one step over all processes.
- Versions are random and made here, so none is ever used twice.
- A write whose answer was lost is reported as failed, never sent again: it may have happened, and the caller's next
  compare-and-set finds out. A read is asked once more when its connection turns out to be gone.
- `incarnation` joins the server's run id (changes with a restart), its replication id (changes when a replica takes
  over) and an epoch kept in the data (gone after a flush). The epoch stands outside the keys that callers can name.
- Behind Sentinels a change counts when one replica has it too, so that what was answered is there after a failover;
  when none says so in half a second it is reported as failed, like a lost answer. (Sentinel promotes the replica that
  has most: https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/, replica selection, read 2026-11.)
- `noeviction` is demanded: a memory that forgets under pressure would forget which codes are spent.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, TypeVar

from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ConnectionError,  # noqa: A004 Redis's own: the built-in one is not used here
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
)

from bot import redis_link
from handlers.core.ports import Held
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Text

PREFIX = "negahban:"
EPOCH = "negahban-epoch"
ANSWER_SECONDS = 5.0
OLDEST_VERSION = (6, 2)
COPIES, COPIED_MILLISECONDS = 1, 500

_PUT_IF = """
local now = redis.call('HGET', KEYS[1], 'version') or ''
if now ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[2], 'value', ARGV[3])
for _, key in ipairs(KEYS) do
  if key ~= KEYS[1] then
    local times = (tonumber(redis.call('HGET', key, 'value')) or 0) + 1
    redis.call('HSET', key, 'version', ARGV[2], 'value', string.format('%d', times))
  end
  if ARGV[4] == '' then redis.call('PERSIST', key) else redis.call('PEXPIRE', key, ARGV[4]) end
end
return 1
"""
_DELETE_IF = """
if redis.call('HGET', KEYS[1], 'version') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
return 1
"""

_REASONS: dict[type[RedisError], str] = {
    AuthenticationError: "it does not take the user or password in REDIS_URL",
    NoPermissionError: "its user may not do this (ACL)",
    BusyLoadingError: "it is still reading its file",
    ReadOnlyError: "it is a read-only replica",
    OutOfMemoryError: "its memory is full (maxmemory)",
}
# Redis 6.2 wraps what a script's command was refused for into another error, and keeps only the words.
_SCRIPT_REASONS = {
    "-READONLY": "it is a read-only replica",
    "-OOM": "its memory is full (maxmemory)",
    "MISCONF": "it cannot write to its disk",
    "NOREPLICAS": "too few replicas follow it (min-replicas-to-write)",
}

_T = TypeVar("_T")


class RedisState:
    """State (see the port) in one Redis database. Connects when first used."""

    def __init__(self, url: str, *, seconds: float = ANSWER_SECONDS) -> None:
        """`seconds`: how long one answer may take. Raises Refusal for what is not an address of a Redis."""
        self._client: Any = redis_link.client(url, seconds)
        self._copied = redis_link.guarded_by_sentinels(url)
        self._put_script = self._client.register_script(_PUT_IF)
        self._delete_script = self._client.register_script(_DELETE_IF)

    def get(self, key: str) -> Held | None:
        """See the port."""
        version, value = _read(lambda: self._client.hmget(PREFIX + key, "version", "value"))
        return None if version is None or value is None else Held(value, version.decode())

    def put_if(
        self, key: str, value: bytes, version: str | None, *, seconds: int | None = None, touch: str = ""
    ) -> str | None:
        """See the port."""
        new = secrets.token_hex(12)
        lifetime = "" if seconds is None else str(seconds * 1000)
        arguments: list[str | bytes] = [version or "", new, value, lifetime]
        keys = [PREFIX + each for each in (key, touch) if each]
        return new if self._changed(self._put_script, keys, arguments) else None

    def delete_if(self, key: str, version: str) -> bool:
        """See the port."""
        return self._changed(self._delete_script, [PREFIX + key], [version])

    def keys(self, prefix: str) -> tuple[str, ...]:
        """See the port."""
        pattern = PREFIX + "".join(f"\\{each}" if each in "*?[]^\\" else each for each in prefix) + "*"
        found = _read(lambda: {key.decode() for key in self._client.scan_iter(match=pattern, count=1000)})
        return tuple(sorted(key.removeprefix(PREFIX) for key in found))

    def incarnation(self) -> str:
        """See the port."""
        server = self._info("server")
        _standing_alone(str(server["redis_mode"]))
        run, replication = server["run_id"], self._info("replication")["master_replid"]
        epoch = _read(lambda: self._client.get(EPOCH))
        if epoch is None:
            _write(lambda: self._client.set(EPOCH, secrets.token_hex(8), nx=True))
            epoch = _read(lambda: self._client.get(EPOCH))
        if epoch is None:
            raise _away(None)
        return f"{run}.{replication}.{epoch.decode()}"

    def check(self) -> list[Text]:
        """What about this Redis is not safe; empty when all is well. Raises OutsideError."""
        server, memory, persistence = self._info("server"), self._info("memory"), self._info("persistence")
        problems = []
        version = str(server["redis_version"])
        if tuple(int(number) for number in version.split(".")[:2]) < OLDEST_VERSION:
            problems.append(Text("Redis {version} is too old: 6.2 is needed", version=version))
        policy = str(memory["maxmemory_policy"])
        if policy != "noeviction":
            problems.append(
                Text("maxmemory-policy is {policy}: it must be noeviction, or spent codes are forgotten", policy=policy)
            )
        if not persistence["aof_enabled"]:
            problems.append(Text("appendonly is off: a restart forgets jobs and makes everybody wait with their codes"))
        # Only told when min-replicas-to-write is above zero.
        if self._copied and "min_slaves_good_slaves" not in self._info("replication"):
            problems.append(
                Text("min-replicas-to-write is 0: a Redis that the others cannot reach would go on alone, set it to 1")
            )
        return problems

    def close(self) -> None:
        """Lets go of the connections. A later call opens new ones."""
        self._client.close()

    def _changed(self, script: Any, keys: list[str], arguments: list[Any]) -> bool:
        if not self._copied:
            return bool(_write(lambda: script(keys=keys, args=arguments)))

        def sent() -> list[Any]:
            # WAIT is about what its own connection wrote, so both go over the same.
            with self._client.pipeline(transaction=False) as pipe:
                script(keys=keys, args=arguments, client=pipe)
                pipe.wait(COPIES, COPIED_MILLISECONDS)
                return list(pipe.execute())

        changed, copies = _write(sent)
        if changed and copies < COPIES:
            raise _unusable(Text("no replica has what was written"))
        return bool(changed)

    def _info(self, section: str) -> dict[str, Any]:
        return _read(lambda: self._client.info(section))


def _read(action: Callable[[], _T]) -> _T:
    """Once more after a connection that was gone: reading twice changes nothing. Not after a time-out: that was the
    time there was."""
    try:
        return action()
    except ConnectionError:
        return _write(action)
    except RedisError as error:
        raise _away(error) from error


def _write(action: Callable[[], _T]) -> _T:
    try:
        return action()
    except RedisError as error:
        raise _away(error) from error


def _away(error: RedisError | None) -> OutsideError:
    known = [words for kind, words in _REASONS.items() if isinstance(error, kind)]
    if isinstance(error, ResponseError):
        known += [words for code, words in _SCRIPT_REASONS.items() if code in str(error)]
        known.append("it refused what it was asked")
    return _unusable([*known, "it does not answer"][0])


def _unusable(reason: str | Text) -> OutsideError:
    return OutsideError(Text("Redis cannot be used ({reason}), so nothing was decided.", reason=reason))


def _standing_alone(mode: str) -> None:
    """Raises OutsideError for what answers like a Redis and is none that the state can be in."""
    if mode == "cluster":
        raise OutsideError(redis_link.CLUSTER, permanent=True)
    if mode == "sentinel":
        text = Text("REDIS_URL is the address of a Sentinel: write it as redis+sentinel://host:26379/SERVICE/0.")
        raise OutsideError(text, permanent=True)
