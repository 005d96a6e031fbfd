"""From a webhook to the message in Slack: new groups at a steady pace, while the budget has room for every one.

- The strict local Slack answers each message after 100 ms. Its limits and the bot's budget run fifty times as fast
  as the documented ones (`dialled_bot`), and the groups go to enough channels that none is a storm: what is measured
  is the relay, not its patience. Whatever Slack had to refuse is counted.
- From the moment a webhook is due until the time that Slack gave the message, on one clock.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from sandbox.demo.stage import MANIFEST
from sandbox.servers.bot import Bot
from sandbox.servers.redis import RedisServer
from sandbox.slack.seed import DEFAULT_SEED, SeedChannel
from sandbox.slack.server import LocalSlack
from tests.bench.dialled_bot import FASTER
from tests.bench.intake import Sender
from tests.bench.page import Section
from tests.bench.plots import Curve
from tests.bench.turns import percentile

CHANNELS = tuple(f"C0TEAM{number:02d}" for number in range(40))
SECONDS, CONNECTIONS, SLACK_SECONDS = 20.0, 8, 0.1
PACES = (20, 50, 100)
PATIENCE_SECONDS = 60.0
LIMIT_MILLISECONDS = 1000.0
_GROUP = re.compile(r"Group\d+")


class _DialledBot(Bot):
    """See dialled_bot."""

    def command(self) -> list[str]:
        return [sys.executable, "-m", "tests.bench.dialled_bot", "serve"]


def measure() -> Section:
    """See the module."""
    rows, refused, last, all_of_them = [], 0, list[float](), dict[str, list[float]]()
    for pace in PACES:
        with stage() as (slack, bot, token, _):
            last = _arrivals(slack, bot, token, pace)
            refused += sum(1 for each in slack.log() if each["answer"].get("error") == "ratelimited")
        all_of_them[f"{pace} a second"] = last
        rows.append((str(pace), str(len(last)), *(f"{each:.0f} ms" for each in _spread(last))))
        print(f"arrival: {rows[-1]}", flush=True)
    p99 = _spread(last)[1]
    verdict = "holds" if p99 < LIMIT_MILLISECONDS else "does not hold"
    return Section(
        "arrival",
        "From a webhook to its message in Slack",
        f"**At {PACES[-1]} new groups a second p99 is {p99:.0f} ms** with a Slack that takes "
        f"{SLACK_SECONDS * 1000:.0f} ms to answer; the promise, less than 1 s, {verdict}. Every group had its own "
        f"message, once.",
        ("new groups a second", "messages", "p50", "p99", "most"),
        tuple(rows),
        f"{SECONDS:.0f} s each, one alert a group, from when a webhook is due to the time that Slack gave the message. "
        f"Dialled: the clock of the local Slack's rate limits, {FASTER:.0f} times as fast as documented, and that of "
        f"the bot's budget as well ({200 * FASTER / 50:.0f} messages a second in all, one a "
        f"{1250 / FASTER:.0f} ms in a channel); {len(CHANNELS)} channels and ALERTS_STORM=100, so that no group "
        f"shares a card. Slack refused {refused} calls as too many. Bot, Redis, local Slack and whoever sends share "
        "the machine's cores.",
        all_of_them,
        {
            "arrival": Curve(
                "From a webhook to its message",
                "new groups a second",
                "ms",
                {
                    f"p{percent}": [
                        (pace, percentile(times, percent))
                        for pace, times in zip(PACES, all_of_them.values(), strict=True)
                    ]
                    for percent in (50, 99)
                },
                LIMIT_MILLISECONDS,
            )
        },
    )


@contextmanager
def stage() -> Iterator[tuple[LocalSlack, Bot, str, RedisServer]]:
    """The dialled bot, its Slack and its Redis; the word is the token of its webhooks."""
    extra = tuple(SeedChannel(name, name.lower(), ("U0SARA", "U0BOT")) for name in CHANNELS)
    seed = replace(DEFAULT_SEED, channels=(*DEFAULT_SEED.channels, *extra))
    with ExitStack() as ending:
        server = ending.enter_context(RedisServer())
        slack = ending.enter_context(LocalSlack(seed, MANIFEST))
        slack.speed(FASTER)
        slack.fault("chat.postMessage", "delay", times=None, seconds=SLACK_SECONDS)
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory()))
        routes, token = folder / "routes.yaml", secrets.token_urlsafe(24)
        rules = [{"match": {"team": str(number)}, "channel": name} for number, name in enumerate(CHANNELS)]
        routes.write_text(json.dumps({"routes": rules}))
        given = {
            "SLACK_BOT_TOKEN": slack.bot_token,
            "SLACK_APP_TOKEN": slack.app_token,
            "SLACK_API_URL": slack.api_url,
            "REDIS_URL": server.url,
            "MONGODB_URI": "mongodb://127.0.0.1:9/shop",
            "BACKUP_DIR": str(folder),
            "MASTER_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
            "WEBHOOK_TOKEN": token,
            "ALERTS_CHANNEL": "C0ALERTS",
            "ALERTS_ROUTES": str(routes),
            "ALERTS_STORM": "100",
        }
        yield slack, ending.enter_context(_DialledBot(given, "serve")), token, server


def _arrivals(slack: LocalSlack, bot: Bot, token: str, pace: int) -> list[float]:
    """Milliseconds, one a group. Raises RuntimeError when a group has no message, or two."""
    total = round(pace * SECONDS)
    began = time.time() + 0.5
    due = [began + number / pace for number in range(total)]

    def run(which: int) -> None:
        sender = Sender(bot.port, token)
        for number in range(which, total, CONNECTIONS):
            time.sleep(max(0.0, due[number] - time.time()))
            sender.send(number, 0, alerts=1, labels={"team": str(number % len(CHANNELS))})
        sender.close()

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(run, range(CONNECTIONS)))
    end = time.monotonic() + PATIENCE_SECONDS
    while (count := sum(1 for each in slack.log() if posted(each))) < total and time.monotonic() < end:
        time.sleep(1)
    found = [
        (_GROUP.findall(each["args"]["text"])[0], float(each["answer"]["ts"])) for each in slack.log() if posted(each)
    ]
    if count != total or len({name for name, _ in found}) != total:
        raise RuntimeError(f"{count} messages about {total} groups")
    return [(ts - due[int(name.removeprefix("Group"))]) * 1000 for name, ts in found]


def posted(call: dict[str, object]) -> bool:
    """Whether this call made a message."""
    answer = call["answer"]
    return call["method"] == "chat.postMessage" and isinstance(answer, dict) and bool(answer.get("ok"))


def _spread(times: Sequence[float]) -> tuple[float, float, float]:
    return percentile(times, 50), percentile(times, 99), max(times)
