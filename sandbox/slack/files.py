"""Uploaded files. Slack processes them after the upload: not at once ready for an image block.

Source: docs.slack.dev/messaging/working-with-files.
"""

from __future__ import annotations

import mimetypes
import secrets
from dataclasses import dataclass, field

from sandbox.slack.clock import Clock
from sandbox.slack.errors import JSON, SlackError


@dataclass(slots=True)
class File:
    """A file on its way: asked for, then uploaded, then completed, then ready."""

    id: str
    name: str
    length: int
    alt_text: str
    ticket: str
    created: float
    title: str = ""
    content: bytes | None = None
    completed_at: float | None = None
    channels: list[str] = field(default_factory=list)

    @property
    def mimetype(self) -> str:
        """Guessed from the name."""
        return mimetypes.guess_type(self.name)[0] or "application/octet-stream"


class Files:
    """Every file; `delay` is how many seconds Slack takes to process one."""

    def __init__(self, clock: Clock, owner: str, delay: float) -> None:
        self._clock = clock
        self._owner = owner
        self.delay = delay
        self.base_url = ""
        self._files: dict[str, File] = {}

    def begin(self, name: str, length: int, alt_text: str) -> File:
        """Reserves a file and the address its bytes go to."""
        file = File(
            id=f"F0{secrets.token_hex(4).upper()}",
            name=name,
            length=length,
            alt_text=alt_text,
            ticket=secrets.token_urlsafe(12),
            created=self._clock.now(),
        )
        self._files[file.id] = file
        return file

    def receive(self, ticket: str, content: bytes) -> File:
        """Takes the bytes. Raises `file_not_found` on an unknown or used address, `invalid_length`."""
        file = next((each for each in self._files.values() if each.ticket == ticket), None)
        if file is None or file.content is not None:
            raise SlackError("file_not_found")
        if len(content) != file.length:
            raise SlackError("invalid_length")
        file.content = content
        return file

    def complete(self, file_id: str, title: str) -> File:
        """Ends an upload. Raises `file_not_found` if there is none or its bytes did not come."""
        file = self._files.get(file_id)
        if file is None or file.content is None or file.completed_at is not None:
            raise SlackError("file_not_found")
        file.title = title or file.name
        file.completed_at = self._clock.now()
        return file

    def find(self, file_id: str) -> File:
        """A completed file. Raises `file_not_found`."""
        file = self._files.get(file_id)
        if file is None or file.completed_at is None:
            raise SlackError("file_not_found")
        return file

    def delete(self, file_id: str) -> None:
        """Removes a file. Raises `file_not_found`."""
        self.find(file_id)
        del self._files[file_id]

    def is_ready(self, reference: JSON) -> bool:
        """Whether a block's `slack_file` (`id` or `url`) is an image that may be shown by now."""
        for file in self._files.values():
            if file.id == reference.get("id") or self.url(file) == reference.get("url"):
                done = file.completed_at
                image = file.mimetype.startswith("image/")
                return image and done is not None and self._clock.now() >= done + self.delay
        return False

    def url(self, file: File) -> str:
        """Where the bytes are."""
        return f"{self.base_url}/files/{file.id}"

    def to_json(self, file: File) -> JSON:
        """The file object as Slack sends it."""
        return {
            "id": file.id,
            "created": int(file.created),
            "timestamp": int(file.created),
            "name": file.name,
            "title": file.title,
            "alt_txt": file.alt_text,
            "mimetype": file.mimetype,
            "filetype": file.name.rpartition(".")[2],
            "user": self._owner,
            "size": file.length,
            "mode": "hosted",
            "is_external": False,
            "is_public": bool(file.channels),
            "url_private": self.url(file),
            "url_private_download": self.url(file),
            "permalink": self.url(file),
            "channels": list(file.channels),
            "groups": [],
            "ims": [],
        }
