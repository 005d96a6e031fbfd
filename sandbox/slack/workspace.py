"""The workspace: its people, channels, messages, views and files. All state, no transport."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Any

from sandbox.slack.clock import Clock
from sandbox.slack.errors import JSON, SlackError
from sandbox.slack.files import Files
from sandbox.slack.hub import Hub
from sandbox.slack.manifest import Manifest
from sandbox.slack.messages import Message, Messages
from sandbox.slack.response_urls import ResponseUrls
from sandbox.slack.seed import Seed, SeedUser, SeedUsergroup
from sandbox.slack.views import Views


@dataclass(slots=True)
class Channel:
    """A channel, or a direct message between the app and `im_user`."""

    id: str
    name: str
    members: list[str]
    is_private: bool = False
    is_archived: bool = False
    topic: str = ""
    im_user: str | None = None

    @property
    def family(self) -> str:
        """The word in front of `:read` and `:history` in the scope this kind of channel needs."""
        if self.im_user is not None:
            return "im"
        return "groups" if self.is_private else "channels"


class Workspace:
    """One team with one installed app."""

    def __init__(self, seed: Seed, manifest: Manifest, clock: Clock, hub: Hub, file_delay: float) -> None:
        self.seed = seed
        self.manifest = manifest
        self.clock = clock
        self.hub = hub
        self.created = int(clock.now())
        self.url = ""
        self._file_delay = file_delay
        self.reset()

    def reset(self) -> None:
        """The seed again: no messages, views or files."""
        seed, clock = self.seed, self.clock
        self.users: dict[str, SeedUser] = {user.id: user for user in seed.users}
        self.usergroups: dict[str, SeedUsergroup] = {group.id: group for group in seed.usergroups}
        self.channels: dict[str, Channel] = {
            each.id: Channel(each.id, each.name, list(each.members), each.is_private, each.is_archived, each.topic)
            for each in seed.channels
        }
        self.messages = Messages()
        owner = {"team_id": seed.team_id, "app_id": seed.app_id, "bot_id": seed.bot_id}
        self.views = Views(clock, {**owner, "app_installed_team_id": seed.team_id})
        self.files = Files(clock, seed.bot_user_id, self._file_delay)
        self.response_urls = ResponseUrls(clock)
        self.at(self.url)

    def at(self, url: str) -> None:
        """Tells the workspace where it is served."""
        self.url = self.files.base_url = self.response_urls.base_url = url

    def change_user(self, user_id: str, **changes: Any) -> None:
        """What an administrator of the workspace does to an account. Raises KeyError or TypeError."""
        self.users[user_id] = replace(self.users[user_id], **changes)

    def change_usergroup(self, group_id: str, users: tuple[str, ...] | None) -> None:
        """Other members for a user group; None: it is removed. Raises KeyError."""
        if users is None:
            del self.usergroups[group_id]
        else:
            self.usergroups[group_id] = replace(self.usergroups[group_id], users=users)

    def user(self, user_id: str) -> SeedUser:
        """A person by id. Raises `user_not_found`."""
        if user_id not in self.users:
            raise SlackError("user_not_found")
        return self.users[user_id]

    def channel(self, channel_id: str) -> Channel:
        """A channel by id, as the app sees it. Raises `channel_not_found`."""
        channel = self.channels.get(channel_id)
        if channel is None or (channel.is_private and not self.app_is_in(channel)):
            raise SlackError("channel_not_found")
        return channel

    def channel_by_reference(self, reference: str) -> Channel:
        """A channel by id, by name, or the direct message with a person. Raises `channel_not_found`."""
        if reference in self.users:
            return self.direct_message(reference)
        for channel in self.channels.values():
            if channel.im_user is None and channel.name == reference.removeprefix("#"):
                return self.channel(channel.id)
        return self.channel(reference)

    def app_is_in(self, channel: Channel) -> bool:
        """Whether the bot user is a member."""
        return self.seed.bot_user_id in channel.members

    def direct_message(self, user_id: str) -> Channel:
        """The direct message between the app and a person, opened if need be."""
        self.user(user_id)
        if user_id in (self.seed.bot_user_id, "USLACKBOT"):
            raise SlackError("cannot_dm_bot")
        channel_id = f"D0{user_id[1:]}"
        if channel_id not in self.channels:
            self.channels[channel_id] = Channel(
                channel_id, "directmessage", [user_id, self.seed.bot_user_id], im_user=user_id
            )
        return self.channels[channel_id]

    def visible_channel(self, channel_id: str, user_id: str) -> Channel:
        """A channel a person can open. Raises `channel_not_found`."""
        channel = self.channels.get(channel_id)
        if channel is None or not self.sees(user_id, channel):
            raise SlackError("channel_not_found")
        return channel

    def sees(self, user_id: str, channel: Channel) -> bool:
        """Members see a channel; a public one is seen by all but guests."""
        hidden = channel.is_private or channel.im_user is not None or self.users[user_id].is_restricted
        return not hidden or user_id in channel.members

    def bot_marks(self) -> JSON:
        """What marks a message as the app's."""
        seed = self.seed
        return {
            "bot_id": seed.bot_id,
            "app_id": seed.app_id,
            "team": seed.team_id,
            "bot_profile": {
                "id": seed.bot_id,
                "app_id": seed.app_id,
                "name": self.users[seed.bot_user_id].name,
                "deleted": False,
                "updated": self.created,
                "team_id": seed.team_id,
            },
        }

    def post(self, message: Message) -> Message:
        """Stores a message and tells the browsers."""
        if message.thread_ts is not None:
            root = self.messages.root(message.channel, message.thread_ts)
            message.thread_ts = root.ts
            if message.only_for is None:
                root.thread_ts = root.ts
        self.messages.add(message)
        kind = "message" if message.only_for is None else "ephemeral"
        self.tell(kind, message)
        return message

    def tell(self, kind: str, message: Message) -> None:
        """A hint to everybody who may see this message."""
        channel = self.channels[message.channel]
        readers = [message.only_for] if message.only_for else list(self.users)
        for reader in readers:
            if self.sees(reader, channel):
                self.hub.tell(kind, only_for=reader, channel=channel.id, ts=message.ts, thread_ts=message.thread_ts)

    def notice(self, user_id: str, channel_id: str, text: str) -> None:
        """Shows a person what Slackbot says when something failed."""
        message = Message(channel_id, self.clock.ts(), "USLACKBOT", text, only_for=user_id)
        self.post(message)
        self.hub.tell("failure", only_for=user_id, channel=channel_id, text=text)

    def new_id(self, prefix: str) -> str:
        """A fresh id of the given kind."""
        return f"{prefix}0{secrets.token_hex(5).upper()}"
