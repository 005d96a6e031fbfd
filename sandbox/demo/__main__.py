"""`make demo`: everything on loopback, a page in the browser, and what to type. `--once`: the scripted tour instead."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
from types import FrameType

from sandbox import parts
from sandbox.demo import authenticator, tour
from sandbox.demo.stage import EnrolmentFailed, Stage
from sandbox.servers.process import NotReady


def main() -> int:
    """Runs until Ctrl-C or SIGTERM, or to the end of the tour."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="one scripted tour; exit 0 only if every step was right")
    parser.add_argument("--port", type=int, default=0, help="the page's port; 0: a free one")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        # The tour compares English words.
        language = "en" if chosen.once else os.environ.get("CHAT_LANGUAGE", "en")
        more = {"CHAT_LANGUAGE": language}
        with Stage(slack_port=chosen.port, alerting=True, serving=True, more=more) as stage:
            return _once(stage) if chosen.once else _until_interrupted(stage)
    except KeyboardInterrupt:
        print("\nEverything is stopped.", flush=True)
        return 0
    except (NotReady, EnrolmentFailed, parts.MissingPart, OSError) as error:
        print(f"The demo could not start: {error}", file=sys.stderr)
        return 1


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _once(stage: Stage) -> int:
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s] {line}", flush=True)

    try:
        tour.take(stage, say)
    except (tour.WentWrong, TimeoutError, AssertionError) as error:
        print(f"WENT WRONG: {error}\n{stage.bot.log_tail()}", file=sys.stderr)
        return 1
    say("Every step did what it should.")
    return 0


def _until_interrupted(stage: Stage) -> int:
    key = stage.keys["U0SARA"]
    print(
        f"""
Negahban is running, with a real MongoDB and Redis behind it and a small shop in it.

    Open     {stage.slack.url}/?channel=C0OPS&as=U0SARA
    Type     /backup now        then    /restore latest
             /backup list, /backup status, /backup help
             /health             and     /runbook quick-triage
             {_rotation(stage)}
    Alerts   {_alerts(stage)}
    Codes    are below; or put this key into your authenticator: {key}

You are Sara. "Act as" shows what others see: Omid has no second factor, Guest may do nothing.
Ctrl-C stops everything; nothing is left behind.
""",
        flush=True,
    )
    waiting = threading.Event()
    while not waiting.wait(0):
        step = authenticator.step_now()
        left = authenticator.STEP_SECONDS - time.time() % authenticator.STEP_SECONDS
        if stage.spent("U0SARA", step):
            print(f"    Sara's code: the next one, in {left:.0f} s; this one was used to set up her phone", flush=True)
        else:
            print(f"    Sara's code: {authenticator.code(key, step)}  (for {left:.0f} s)", flush=True)
        waiting.wait(left + 0.1)
    return 0


def _rotation(stage: Stage) -> str:
    return "/rotate jwt" if stage.service is not None else "/rotate needs Node on this machine (18 or newer)"


def _alerts(stage: Stage) -> str:
    if stage.alertmanager is None:
        return "need an Alertmanager on this machine (Debian: prometheus-alertmanager)"
    return f"are sent to {stage.alertmanager.url} and shown in #alerts; amtool alert add Slow severity=critical"


if __name__ == "__main__":
    raise SystemExit(main())
