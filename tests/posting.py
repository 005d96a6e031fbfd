"""A webhook, given to an intake as its web server would."""

from __future__ import annotations

import io
from typing import Any

from bot.intake import ALERTMANAGER, Intake


def posted(intake: Intake, body: bytes, token: str, path: str = ALERTMANAGER, query: str = "", **changes: str) -> int:
    """The status that it answers with. `changes`: of the request's environment."""
    said: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.input": io.BytesIO(body),
    }
    list(intake({**environ, **changes}, lambda status, headers: said.append(status)))
    return int(said[0].split(" ")[0])
