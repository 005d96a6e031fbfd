"""Keeps what Slack's libraries log away from the log.

- slack_bolt logs the whole body of a request whose signature is wrong (RequestVerification, INFO) and of a request
  nobody handles (WARNING), and both libraries log bodies at DEBUG; a body may hold a code. Read in slack_bolt 1.30.
- So of their records only those from WARNING on come through, and of these only the logger, the place and the kind
  of exception, never the message.
"""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)
VENDORS = ("slack_bolt", "slack_sdk")


class Silencer(logging.Handler):
    """Passes on that something was logged, and where; not what."""

    def emit(self, record: logging.LogRecord) -> None:
        """See the class."""
        if record.levelno < logging.WARNING:
            return
        kind = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else "no exception"
        log.log(record.levelno, "%s at %s:%d (%s)", record.name, record.filename, record.lineno, kind)


def quieten() -> logging.Logger:
    """Silences the libraries for this process; the logger to build a Bolt app with. May be repeated.

    Every Bolt logger copies level and handlers of the one its app was built with; the copies are children of
    `slack_bolt` and do not propagate past it.
    """
    for vendor in VENDORS:
        logger = logging.getLogger(vendor)
        logger.setLevel(logging.WARNING)
        logger.propagate = False
        if not any(isinstance(each, Silencer) for each in logger.handlers):
            logger.handlers = [Silencer()]
    app = logging.getLogger("slack_bolt.negahban")
    app.setLevel(logging.WARNING)
    return app
