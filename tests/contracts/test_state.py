"""The contract of the port State, held by the fake and by Redis; then what only Redis can do wrong."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.adapters.state_redis import RedisState
from handlers.core.ports import Held, State
from handlers.core.words.errors import OutsideError, Refusal
from sandbox.servers.redis import RedisServer
from tests.conftest import needs
from tests.fakes import FakeClock, MemoryState

Connect = Callable[[str], RedisState]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens states, and closes them at the end."""
    with ExitStack() as open_states:

        def connected(url: str) -> RedisState:
            state = RedisState(url)
            open_states.callback(state.close)
            return state

        yield connected


@dataclass
class Memory:
    """A state, and another door to the same one; `wait` lets time go by."""

    state: State
    other: State
    wait: Callable[[float], None]


@pytest.fixture(params=["memory", "redis"])
def memory(request: pytest.FixtureRequest) -> Memory:
    if request.param == "memory":
        clock = FakeClock()
        state = MemoryState(clock)
        return Memory(state, state, clock.advance)
    url, connect = request.getfixturevalue("redis_url"), request.getfixturevalue("connect")
    return Memory(connect(url), connect(url), time.sleep)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis that a test may stop, kill and flush."""
    needs("redis-server")
    with RedisServer() as server:
        yield server


def put(state: State, key: str, value: bytes = b"value", *, seconds: int | None = None) -> str:
    version = state.put_if(key, value, None, seconds=seconds)
    assert version is not None
    return version


def test_what_was_put_is_there_with_its_version(memory: Memory) -> None:
    assert memory.state.get("key") is None
    version = put(memory.state, "key", bytes(range(256)))
    held = memory.other.get("key")
    assert held is not None
    assert (held.value, held.version) == (bytes(range(256)), version)


def test_an_empty_value_is_a_value(memory: Memory) -> None:
    put(memory.state, "key", b"")
    held = memory.state.get("key")
    assert held is not None
    assert held.value == b""


def test_who_expects_nothing_is_refused_when_something_is_there(memory: Memory) -> None:
    put(memory.state, "key", b"first")
    assert memory.other.put_if("key", b"second", None) is None
    held = memory.state.get("key")
    assert held is not None
    assert held.value == b"first"


def test_a_version_can_be_replaced_once(memory: Memory) -> None:
    first = put(memory.state, "key")
    second = memory.other.put_if("key", b"second", first)
    assert second not in {None, first}
    assert memory.state.put_if("key", b"third", first) is None
    held = memory.state.get("key")
    assert held is not None
    assert (held.value, held.version) == (b"second", second)


def test_another_key_is_marked_in_the_same_step_and_only_if_the_first_was_put(memory: Memory) -> None:
    first = memory.state.put_if("key", b"first", None, touch="mark")
    mark = memory.other.get("mark")
    assert mark is not None
    assert mark.value == b"1"
    assert memory.state.put_if("key", b"late", None, touch="mark") is None
    assert memory.other.get("mark") == mark
    assert memory.state.put_if("key", b"second", first, touch="mark") is not None
    assert not memory.other.delete_if("mark", mark.version)


def test_a_mark_counts_how_often_it_was_made_since_it_is_there_whatever_it_said_before(memory: Memory) -> None:
    put(memory.state, "mark")
    version = None

    def marked() -> Held:
        nonlocal version
        version = memory.state.put_if("key", b"", version, touch="mark")
        mark = memory.other.get("mark")
        assert mark is not None
        return mark

    assert [marked().value for _ in range(3)] == [b"1", b"2", b"3"]
    assert memory.other.delete_if("mark", marked().version)
    assert marked().value == b"1"


def test_nothing_is_put_in_place_of_what_is_gone(memory: Memory) -> None:
    version = put(memory.state, "key")
    assert memory.state.delete_if("key", version)
    assert memory.state.put_if("key", b"late", version) is None
    assert memory.state.get("key") is None


def test_only_the_version_that_was_seen_is_deleted(memory: Memory) -> None:
    first = put(memory.state, "key")
    second = memory.state.put_if("key", b"second", first)
    assert second is not None
    assert not memory.other.delete_if("key", first)
    assert memory.other.delete_if("key", second)
    assert not memory.other.delete_if("key", second)
    assert memory.state.get("key") is None


def test_a_version_never_comes_again_after_deletion(memory: Memory) -> None:
    seen = set()
    for _ in range(20):
        version = put(memory.state, "key", b"the same")
        seen.add(version)
        memory.state.delete_if("key", version)
    assert len(seen) == 20


def test_what_lives_for_seconds_is_gone_after_them(memory: Memory) -> None:
    put(memory.state, "short", seconds=1)
    put(memory.state, "long", seconds=100)
    put(memory.state, "ever")
    memory.wait(0.3)
    assert memory.state.keys("") == ("ever", "long", "short")
    memory.wait(0.9)
    assert memory.state.get("short") is None
    assert memory.state.keys("") == ("ever", "long")
    assert memory.state.put_if("short", b"again", None) is not None


def test_what_lives_for_no_second_is_gone_at_once(memory: Memory) -> None:
    put(memory.state, "key", seconds=0)
    assert memory.state.get("key") is None


def test_every_put_sets_the_lifetime_anew(memory: Memory) -> None:
    first, second = put(memory.state, "made to stay", seconds=1), put(memory.state, "made to go")
    assert memory.state.put_if("made to stay", b"", first) is not None
    assert memory.state.put_if("made to go", b"", second, seconds=1) is not None
    memory.wait(1.2)
    assert memory.state.keys("made") == ("made to stay",)


def test_keys_are_those_that_begin_so_and_sorted(memory: Memory) -> None:
    for key in ("job:b", "job:a", "jobs", "lease:a", "job:[x]", "job:*", "job:?", "job:\\"):
        put(memory.state, key)
    assert memory.state.keys("job:") == ("job:*", "job:?", "job:[x]", "job:\\", "job:a", "job:b")
    assert memory.state.keys("job:*") == ("job:*",)
    assert memory.state.keys("job:?") == ("job:?",)
    assert memory.state.keys("job:[") == ("job:[x]",)
    assert memory.state.keys("job:\\") == ("job:\\",)
    assert memory.state.keys("nothing") == ()


def test_many_keys_are_all_listed_once(memory: Memory) -> None:
    names = tuple(f"many:{number:04}" for number in range(2500))
    for name in names:
        put(memory.state, name)
    assert memory.state.keys("many:") == names


def test_the_incarnation_stays_while_nothing_happens_and_is_no_key(memory: Memory) -> None:
    before = memory.state.incarnation()
    put(memory.state, "key")
    assert memory.other.incarnation() == before
    assert memory.state.keys("") == ("key",)


def test_of_many_who_write_at_once_exactly_one_wins_each_round(memory: Memory) -> None:
    doors, rounds = [memory.state, memory.other] * 6, 25
    barrier, wins = threading.Barrier(len(doors), timeout=30), []

    def race(number: int, state: State) -> None:
        for turn in range(rounds):
            barrier.wait()
            held = state.get("key")
            version = None if held is None else held.version
            barrier.wait()
            if state.put_if("key", f"{number}".encode(), version) is not None:
                wins.append((turn, number))
            barrier.wait()

    threads = [threading.Thread(target=race, args=pair) for pair in enumerate(doors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [turn for turn, _ in wins] == list(range(rounds))
    held = memory.state.get("key")
    assert held is not None
    assert held.value == str(wins[-1][1]).encode()


Step = tuple[str, str, bytes, int]
steps = st.tuples(
    st.sampled_from(["put", "delete", "get"]), st.sampled_from(["a", "b"]), st.binary(max_size=4), st.integers(0, 3)
)


@pytest.mark.usefixtures("redis_server")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, max_size=25))
def test_the_fake_and_redis_answer_every_sequence_alike(redis_url: str, sequence: list[Step], connect: Connect) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushdb()
    real, fake = connect(redis_url), MemoryState(FakeClock())
    assert _told(real, sequence) == _told(fake, sequence)


def _told(state: State, sequence: list[Step]) -> list[object]:
    """What each step answered, with versions by the order they were made in. A step names one of them, or none."""
    made: list[str] = []
    answers: list[object] = []
    for what, key, value, which in sequence:
        version = made[-which] if 0 < which <= len(made) else None
        if what == "put":
            new = state.put_if(key, value, version)
            made += [] if new is None else [new]
            answers.append(new is not None)
        elif what == "delete":
            answers.append(state.delete_if(key, version or "no such version"))
        else:
            held = state.get(key)
            answers.append(None if held is None else (held.value, made.index(held.version)))
    answers.append(state.keys(""))
    return answers


def test_a_state_that_is_away_says_so_in_every_answer() -> None:
    fake = MemoryState(FakeClock())
    fake.away = True
    _every_answer_is_an_outside_error(fake)


def test_a_redis_that_is_not_there_says_so_in_every_answer(own_redis: RedisServer, connect: Connect) -> None:
    url = own_redis.url
    own_redis.stop()
    _every_answer_is_an_outside_error(connect(url))


def _every_answer_is_an_outside_error(state: State) -> None:
    calls: list[Callable[[], object]] = [
        lambda: state.get("key"),
        lambda: state.put_if("key", b"", None),
        lambda: state.delete_if("key", "version"),
        lambda: state.keys(""),
        state.incarnation,
    ]
    for call in calls:
        with pytest.raises(OutsideError) as raised:
            call()
        assert "Redis" in str(raised.value)
        assert not raised.value.permanent


def test_a_flush_changes_the_incarnation_and_it_then_stays(own_redis: RedisServer, connect: Connect) -> None:
    state = connect(own_redis.url)
    before = state.incarnation()
    own_redis.flush()
    after = state.incarnation()
    assert after != before
    assert connect(own_redis.url).incarnation() == after


def test_a_restart_keeps_the_values_and_changes_the_incarnation(own_redis: RedisServer, connect: Connect) -> None:
    state = connect(own_redis.url)
    before, version = state.incarnation(), put(state, "key")
    own_redis.restart()
    held = state.get("key")
    assert held is not None
    assert held.version == version
    assert state.incarnation() != before
    assert state.put_if("key", b"next", version) is not None


def test_a_replica_that_takes_over_changes_the_incarnation(own_redis: RedisServer, connect: Connect) -> None:
    state = connect(own_redis.url)
    before = state.incarnation()
    with redis.Redis.from_url(own_redis.url) as client:
        client.replicaof("127.0.0.1", "1")
        with pytest.raises(OutsideError, match="replica"):
            state.put_if("key", b"", None)
        client.replicaof("NO", "ONE")
    assert state.incarnation() != before


def test_connections_that_were_dropped_meanwhile_are_replaced(redis_url: str, connect: Connect) -> None:
    state = connect(redis_url)
    version = put(state, "key")
    for _ in range(3):
        with redis.Redis.from_url(redis_url) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        assert state.get("key") is not None
        with redis.Redis.from_url(redis_url) as client:
            client.client_kill_filter(_type="normal", skipme=True)
        next_version = state.put_if("key", b"", version)
        assert next_version is not None
        version = next_version


class Cutting:
    """A way to a Redis that can lose answers: the request arrives, and the connection ends instead of the answer."""

    def __init__(self, port: int) -> None:
        self._redis = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.lose = b""
        self.lost = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Cutting:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        with socket.create_connection(("127.0.0.1", self.port)):
            self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        threads = []
        while True:
            client, _ = self._listener.accept()
            if self._stopping.is_set():
                client.close()
                break
            threads.append(threading.Thread(target=self._pass, args=(client,)))
            threads[-1].start()
        for thread in threads:
            thread.join()

    def _pass(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._redis) as server, contextlib.suppress(OSError):
            client.settimeout(10)
            while request := client.recv(65536):
                server.sendall(request)
                answer = server.recv(65536)
                if self.lose and self.lose in request:
                    self.lost += 1
                    return
                client.sendall(answer)


def test_a_write_whose_answer_was_lost_is_not_sent_again(own_redis: RedisServer, connect: Connect) -> None:
    direct = connect(own_redis.url)
    with Cutting(own_redis.port) as way:
        state = connect(f"redis://127.0.0.1:{way.port}/0")
        version = put(state, "key", b"first")
        way.lose = b"EVALSHA"
        with pytest.raises(OutsideError):
            state.put_if("key", b"second", version)
        assert way.lost == 1
        way.lose = b""
        held = state.get("key")
        assert held is not None
        assert held.value == b"second"
        assert held == direct.get("key")
        state.close()


def test_a_read_whose_answer_was_lost_is_asked_once_more(own_redis: RedisServer, connect: Connect) -> None:
    with Cutting(own_redis.port) as way:
        state = connect(f"redis://127.0.0.1:{way.port}/0")
        put(state, "key")
        way.lose = b"HMGET"
        with pytest.raises(OutsideError):
            state.get("key")
        assert way.lost == 2
        state.close()


def test_a_redis_that_says_nothing_is_given_up_after_seconds(connect: Connect) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        state = connect(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        with pytest.raises(OutsideError):
            state.get("key")
        assert 4 < time.monotonic() - began < 8


SECRET = "s3cr3t-of-redis"


@pytest.mark.parametrize(
    "url",
    [f"redis://:{SECRET}/x@127.0.0.1:6379/0", f"redis://:{SECRET}@127.0.0.1:{SECRET}/0", f"http://{SECRET}@host", ""],
)
def test_what_is_not_an_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(Refusal) as raised:
        RedisState(url)
    assert SECRET not in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("demanded", [SECRET, "another"])
def test_a_password_is_in_no_message(demanded: str, connect: Connect) -> None:
    needs("redis-server")
    with _WithPassword(demanded) as server:
        state = connect(f"redis://:{SECRET}@127.0.0.1:{server.port}/0")
        if demanded == SECRET:
            put(state, "key")
            server.kill()
        with pytest.raises(OutsideError) as raised:
            state.put_if("key", b"", None)
    assert SECRET not in "".join(traceback.format_exception(raised.value))
    if demanded != SECRET:
        assert "password in REDIS_URL" in str(raised.value)


class _WithPassword(RedisServer):
    def __init__(self, password: str) -> None:
        super().__init__("--requirepass", password)
        self._password = password

    def is_ready(self) -> bool:
        with redis.Redis(port=self.port, password=self._password, socket_timeout=2) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False


def test_a_full_redis_refuses_to_forget_and_says_that_it_is_full(own_redis: RedisServer, connect: Connect) -> None:
    state = connect(own_redis.url)
    spent = put(state, "spent")
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory", "1mb")
    with pytest.raises(OutsideError, match="full"):
        state.put_if("more", b"x" * 100_000, None)
    held = state.get("spent")
    assert held is not None
    assert held.version == spent


def test_a_redis_as_it_should_be_has_no_problem(own_redis: RedisServer, connect: Connect) -> None:
    assert connect(own_redis.url).check() == []


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [("maxmemory-policy", "allkeys-lru", "must be noeviction"), ("appendonly", "no", "appendonly is off")],
)
def test_a_redis_that_may_forget_is_told_apart(
    own_redis: RedisServer, setting: str, value: str, said: str, connect: Connect
) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set(setting, value)
    (problem,) = connect(own_redis.url).check()
    assert said in str(problem)
