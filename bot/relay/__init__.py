"""The relay: makes the chat look like what the desk says it should look like. See `loop`."""

from bot.relay.loop import Relay

__all__ = ["Relay"]
