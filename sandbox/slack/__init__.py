"""A local Slack: as strict as the real one for what a `slack_bolt` app uses.

It knows neither `bot` nor `handlers`; they meet over HTTP and WebSocket only.
"""

from __future__ import annotations
