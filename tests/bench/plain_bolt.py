"""A plain Bolt application over Socket Mode, as in its documentation: acknowledge, then work, in the listener."""

from __future__ import annotations

import os
import time

from slack_bolt import Ack, App
from slack_bolt.adapter.socket_mode import SocketModeHandler
from slack_sdk import WebClient

from tests.bench.slow import WORK_SECONDS


def main() -> None:
    """Runs until it is ended."""
    client = WebClient(token=os.environ["SLACK_BOT_TOKEN"], base_url=os.environ["SLACK_API_URL"])
    app = App(client=client, signing_secret="unused in Socket Mode")

    @app.command("/health")
    def health(ack: Ack) -> None:
        ack()
        time.sleep(WORK_SECONDS)

    SocketModeHandler(app, os.environ["SLACK_APP_TOKEN"]).start()


if __name__ == "__main__":
    main()
