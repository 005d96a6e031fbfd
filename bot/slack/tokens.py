"""The bot's token of Slack, as a checklist looks at it: the one in the file, and whether Slack lets it in as this bot.

- The file is read anew each time; nothing of a token is ever shown or logged.
- It must be the same bot in the same workspace as the token in use: another app's token works too, and is wrong.
"""

from __future__ import annotations

import hmac
from pathlib import Path

from bot.slack.chat import Chat, slack_client
from handlers.core.runbooks.probes import ChatToken
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

MOST_BYTES = 1024


class SlackTokens:
    """The ChatTokens port. `used`: the token of this process; `path`: empty when it came from no file."""

    def __init__(self, used: str, path: str, api_url: str) -> None:
        self._used = used
        self._path = path
        self._url = api_url

    def look(self) -> ChatToken:
        """See the port."""
        if not self._path:
            return ChatToken(stored=False)
        stored = self._stored()
        changed = not hmac.compare_digest(stored.encode(), self._used.encode())
        try:
            who = self._who(stored)
        except OutsideError as refused:
            if not refused.permanent:
                raise
            return ChatToken(stored=True, changed=changed, why=str(refused.text).rstrip("."))
        if changed and who != self._who(self._used):
            return ChatToken(stored=True, changed=True, why="it is the token of another app or workspace")
        return ChatToken(stored=True, changed=changed)

    def _who(self, token: str) -> tuple[str, str]:
        chat = Chat(slack_client(token, self._url))
        return chat.team(), chat.name()

    def _stored(self) -> str:
        try:
            with Path(self._path).open("rb") as file:
                return file.read(MOST_BYTES).decode().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise OutsideError(Text("{path} cannot be read.", path=Code(self._path))) from error
