"""The relay: makes the chat look like what the boards say it should look like. See `loop`."""

from bot.relay.jobs import JobBoard
from bot.relay.loop import Relay

__all__ = ["JobBoard", "Relay"]
