"""Serving: the Slack and web side of the bot, from start to stop.

- Starts the web side first, so that the platform can ask how it is, then the relay, then Slack; stops the other way.
- Going down, it is not ready from the first moment on, and answers until the last.
- `ready` says what is wrong with each part, and "" for what is well. What is not known is not well.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from bot.intake import Intake
from bot.relay import Relay
from bot.slack.app import SlackApp, Socket
from bot.supervisor import Supervisor
from bot.web import Checks, WebServer
from handlers.core.ports import State
from handlers.core.words.errors import Problem

LOOK_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Serving:
    """The parts, built and not started. `socket`: None when Slack calls us; `worker`: None when it runs elsewhere."""

    web: WebServer
    relay: Relay
    slack: SlackApp
    socket: Socket | None
    worker: Supervisor | None
    intake: Intake

    def run(self, stopping: threading.Event) -> None:
        """Serves until told to stop."""
        self.web.start()
        self.relay.start()
        if self.socket is not None:
            self.socket.start()
        if self.worker is not None:
            self.worker.start()
        try:
            # Python runs handlers of signals in its first thread, and the kernel may wake another one for them.
            while not stopping.wait(LOOK_SECONDS):
                pass
        finally:
            self.intake.close()
            if self.socket is not None:
                self.socket.stop()
            self.slack.close()
            if self.worker is not None:
                self.worker.stop()
            self.relay.stop()
            self.web.close()


def ready(
    state: State, connected: Callable[[], bool] | None, worker: Supervisor | None, going_down: Callable[[], bool]
) -> Checks:
    """What `/readyz` asks."""
    checks = {"process": lambda: "it is going down" if going_down() else "", "redis": lambda: _reachable(state)}
    if connected is not None:
        checks["slack"] = lambda: "" if connected() else "Slack cannot reach the bot"
    if worker is not None:
        checks["worker"] = lambda: "" if worker.alive else "the worker is not running"
    return checks


def _reachable(state: State) -> str:
    try:
        state.incarnation()
    except Problem as problem:
        return str(problem)
    return ""
