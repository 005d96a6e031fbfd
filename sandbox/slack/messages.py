"""Messages: what a channel holds, its threads, and what only one person may see."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sandbox.slack.errors import JSON, SlackError


@dataclass(slots=True)
class Message:
    """One message. `only_for` set: an ephemeral, shown to that person and found by no method."""

    channel: str
    ts: str
    user: str
    text: str
    blocks: list[JSON] = field(default_factory=list)
    attachments: list[JSON] = field(default_factory=list)
    thread_ts: str | None = None
    broadcast: bool = False
    metadata: JSON | None = None
    bot: JSON | None = None
    only_for: str | None = None
    edited: JSON | None = None
    files: list[JSON] = field(default_factory=list)
    reactions: dict[str, list[str]] = field(default_factory=dict)
    state: dict[str, JSON] = field(default_factory=dict)
    deleted: bool = False

    def to_json(self, *, include_metadata: bool = False) -> JSON:
        """The message as Slack sends it, without its thread's counts."""
        data: JSON = {"type": "message", "ts": self.ts, "user": self.user, "text": self.text}
        if self.bot is not None:
            data |= self.bot
        if self.deleted:
            data |= {"subtype": "tombstone", "user": "USLACKBOT", "hidden": True}
        optional: dict[str, Any] = {
            "blocks": self.blocks,
            "attachments": self.attachments,
            "thread_ts": self.thread_ts,
            "edited": self.edited,
            "files": self.files,
        }
        data |= {name: value for name, value in optional.items() if value}
        if self.broadcast:
            data["subtype"] = "thread_broadcast"
        if self.reactions:
            data["reactions"] = [
                {"name": name, "users": users, "count": len(users)} for name, users in self.reactions.items()
            ]
        if self.only_for is not None:
            data |= {"is_ephemeral": True, "ephemeral": True}
        if include_metadata and self.metadata is not None:
            data["metadata"] = self.metadata
        return data


class Messages:
    """All messages of the workspace, by channel, oldest first."""

    def __init__(self) -> None:
        self._by_channel: dict[str, dict[str, Message]] = {}

    def add(self, message: Message) -> None:
        """Stores a new message."""
        self._by_channel.setdefault(message.channel, {})[message.ts] = message

    def find(self, channel: str, ts: str) -> Message:
        """A message a Web API method may reach. Raises `message_not_found`, also for an ephemeral."""
        message = self._by_channel.get(channel, {}).get(ts)
        if message is None or message.only_for is not None or message.deleted:
            raise SlackError("message_not_found")
        return message

    def seen(self, channel: str, ts: str, user: str) -> Message:
        """A message this person sees, an ephemeral of theirs included. Raises `message_not_found`."""
        message = self._by_channel.get(channel, {}).get(ts)
        if message is None or message.deleted or message.only_for not in (None, user):
            raise SlackError("message_not_found")
        return message

    def root(self, channel: str, thread_ts: str) -> Message:
        """The first message of a thread, given any message of it. Raises `thread_not_found`."""
        message = self._by_channel.get(channel, {}).get(thread_ts)
        if message is None or message.only_for is not None:
            raise SlackError("thread_not_found")
        if message.thread_ts not in (None, message.ts):
            return self.root(channel, str(message.thread_ts))
        return message

    def remove(self, message: Message) -> None:
        """Removes a message; the first of a thread with replies leaves a tombstone."""
        if self.replies(message.channel, message.ts):
            message.deleted = True
            message.text, message.blocks, message.attachments = "This message was deleted.", [], []
            message.files, message.metadata = [], None
            return
        self._by_channel[message.channel].pop(message.ts, None)

    def top(self, channel: str, *, reader: str | None = None) -> list[Message]:
        """What stands in the channel itself; `reader` adds the ephemerals of that person."""
        return [
            message
            for message in self._by_channel.get(channel, {}).values()
            if (message.thread_ts in (None, message.ts) or message.broadcast)
            and (message.only_for is None or (reader is not None and message.only_for == reader))
        ]

    def replies(self, channel: str, ts: str, *, reader: str | None = None) -> list[Message]:
        """The replies of a thread, without its first message."""
        return [
            message
            for message in self._by_channel.get(channel, {}).values()
            if message.thread_ts == ts
            and message.ts != ts
            and (message.only_for is None or (reader is not None and message.only_for == reader))
        ]

    def show(self, message: Message, *, include_metadata: bool = False) -> JSON:
        """The message as `conversations.history` answers it, with its thread's counts."""
        data = message.to_json(include_metadata=include_metadata)
        if message.only_for is None and message.thread_ts in (None, message.ts):
            replies = self.replies(message.channel, message.ts)
            if replies:
                people = list(dict.fromkeys(reply.user for reply in replies))
                data |= {
                    "thread_ts": message.ts,
                    "reply_count": len(replies),
                    "reply_users": people,
                    "reply_users_count": len(people),
                    "latest_reply": replies[-1].ts,
                }
        return data
