"""Lean: an idle bot holds no library in its memory that it does not use.

- redis-py loads OpenTelemetry's SDK and psutil wherever they are installed, for metrics of its own that nobody here
  asks for: 4 MiB in each process. It does without what cannot be imported, so it is imported once while they cannot.
- The bot's own tracing (bot/adapters/traces_otlp.py) imports them when it is asked for.
"""

from __future__ import annotations

import importlib
import sys

ABSENT = "opentelemetry"


def redis_alone() -> None:
    """Imports redis-py without what it would bring along. Before anything else imports it; later it does nothing."""
    if ABSENT in sys.modules:
        return
    sys.modules[ABSENT] = None  # type: ignore[assignment]  # how the reference says that it cannot be imported
    try:
        importlib.import_module("redis")
    finally:
        del sys.modules[ABSENT]
