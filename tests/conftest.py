"""What tests of every kind share: real servers, one of each per test process, and fresh places in them.

A missing program fails the test in CI (CI=true), and at home skips it with the reason.
"""

from __future__ import annotations

import itertools
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from sandbox import parts
from sandbox.aws import AwsAccount
from sandbox.kube.server import Kube
from sandbox.servers import radosgw as ceph
from sandbox.servers.containers import Containers
from sandbox.servers.engines import PROGRAMS
from sandbox.servers.mongod import Mongod
from sandbox.servers.openbao import OpenBao
from sandbox.servers.redis import RedisServer
from sandbox.servers.registry import Registry

# At home every run tries other examples; in CI the same ones each time, so that it judges the change and not the luck.
settings.register_profile("house", deadline=None, print_blob=True, derandomize=os.environ.get("CI") == "true")
settings.load_profile("house")

_redis_databases = itertools.count()


def needs(name: str) -> Path:
    """The program of a part; without it the test fails in CI and is skipped elsewhere."""
    try:
        return parts.require(name)
    except parts.MissingPart as missing:
        if os.environ.get("CI") == "true":
            pytest.fail(str(missing))
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def mongod() -> Iterator[Mongod]:
    """A replica set of one member; the TTL monitor looks every second. Tests that kill it start their own."""
    needs("mongod")
    with Mongod(arguments=("--setParameter", "ttlMonitorSleepSecs=1")) as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis with an append-only file. Tests that kill or flush it start their own."""
    needs("redis-server")
    with RedisServer() as server:
        yield server


@pytest.fixture(scope="module")
def openbao() -> Iterator[OpenBao]:
    """A Vault, with a token that may do everything."""
    needs("bao")
    with OpenBao() as server:
        yield server


@pytest.fixture(scope="module")
def account() -> Iterator[AwsAccount]:
    """An account of AWS, as unforgiving as the real one."""
    with AwsAccount() as server:
        yield server


@pytest.fixture(scope="module")
def kube() -> Iterator[Kube]:
    """The API of a Kubernetes cluster with nothing in it."""
    with Kube() as server:
        yield server


@pytest.fixture(scope="session")
def radosgw() -> Iterator[ceph.Radosgw]:
    """An S3 with true Object Lock. Tests that use it are of the xdist group `radosgw`, so that there is one."""
    for program in ceph.PROGRAMS:
        needs(program)
    with ceph.Radosgw() as server:
        yield server


@pytest.fixture(scope="session")
def containers() -> Iterator[Containers]:
    """Real containers of podman. Tests that use them are of the xdist group `containers`, so that there is one engine.
    A machine that has podman and does not let it run a container fails the test, everywhere: that is no missing
    program."""
    for program in PROGRAMS["podman"]:
        needs(program)
    with Containers() as engine:
        yield engine


@pytest.fixture(scope="session")
def docker() -> Iterator[Containers]:
    """The same by Docker's own engine and Compose; of the same xdist group."""
    for program in PROGRAMS["docker"]:
        needs(program)
    with Containers("docker") as engine:
        yield engine


@pytest.fixture(scope="session")
def registry() -> Iterator[Registry]:
    """A registry of images; of the same xdist group."""
    needs("docker-registry")
    with Registry() as server:
        yield server


@pytest.fixture
def database(mongod: Mongod) -> Iterator[str]:
    """The name of a database that nothing else uses; whatever is in it afterwards is dropped."""
    name = f"test_{secrets.token_hex(6)}"
    yield name
    with mongod.client() as client:
        client.drop_database(name)


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The address of an empty Redis database of this test's own."""
    number = next(_redis_databases)
    if number >= redis_server.databases:
        pytest.fail("more tests than Redis databases: raise RedisServer.databases")
    return redis_server.url_of(number)


@pytest.fixture(scope="session")
def tools_path() -> str:
    """A value for PATH with mongodump and mongorestore on it."""
    needs("mongodump")
    needs("mongorestore")
    return parts.search_path()


@pytest.fixture(scope="session")
def chromium() -> Path:
    """A browser that can run without a screen."""
    return needs("chromium")
