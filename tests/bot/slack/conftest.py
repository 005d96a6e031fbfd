"""One local Slack with the shipped manifest, and one bot connected to it, for each module; each test finds them new."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import MANIFEST, Rig, rig


@pytest.fixture(scope="module")
def server() -> Iterator[LocalSlack]:
    with LocalSlack(manifest=MANIFEST) as slack:
        yield slack


@pytest.fixture
def slack(server: LocalSlack) -> LocalSlack:
    server.reset()
    server.clear_faults()
    return server


@pytest.fixture(scope="module")
def connected(server: LocalSlack) -> Iterator[Rig]:
    with rig(server) as bot:
        yield bot


@pytest.fixture
def bot(connected: Rig) -> Rig:
    return connected.anew()
