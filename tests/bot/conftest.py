"""One local Slack with the shipped manifest and no limits, for each file of tests about the relay."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.slack.server import LocalSlack
from tests.bot.slack.stage import MANIFEST


@pytest.fixture(scope="module")
def server() -> Iterator[LocalSlack]:
    with LocalSlack(manifest=MANIFEST, rate_limits=False) as slack:
        yield slack
