"""`python -m sandbox.slack`: a local Slack until Ctrl-C; prints the environment an app needs."""

from __future__ import annotations

import argparse
import signal
import threading
from pathlib import Path

from sandbox.slack.server import LocalSlack


def main() -> int:
    """Serves until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.slack", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any free port")
    parser.add_argument("--manifest", type=Path, help="the app's manifest, YAML or JSON")
    parser.add_argument("--request-url", help="deliver by HTTP to this address instead of Socket Mode")
    parser.add_argument("--no-rate-limits", action="store_true")
    chosen = parser.parse_args()
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: done.set())
    with LocalSlack(
        manifest=chosen.manifest,
        host=chosen.host,
        port=chosen.port,
        rate_limits=not chosen.no_rate_limits,
        request_url=chosen.request_url,
    ) as slack:
        print(f"# page: {slack.url}/")
        print(f"SLACK_API_URL={slack.api_url}")
        print(f"SLACK_BOT_TOKEN={slack.bot_token}")
        print(f"SLACK_APP_TOKEN={slack.app_token}")
        print(f"SLACK_SIGNING_SECRET={slack.signing_secret}", flush=True)
        done.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
