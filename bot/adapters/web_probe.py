"""Pages over HTTP: one question, one answer, no redirect.

- At most 64 kB are read, and all of it, name look-up apart, ends within the time.
- Refused, reset or too slow is an answer of its own kind; a name or a certificate that stands in the way is not known.
- A password or a query in an address never reaches an error.
"""

from __future__ import annotations

import time

import urllib3
from urllib3 import exceptions
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError, ProtocolError, SSLError

from handlers.core.runbooks.probes import Page
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

MOST_BYTES = 64 * 1024


class WebProbe:
    """The Web port."""

    def __init__(self) -> None:
        self._pool = urllib3.PoolManager(retries=False, maxsize=2, headers={"User-Agent": "negahban"})

    def get(self, url: str, seconds: float) -> Page:
        """See the port."""
        began = time.monotonic()
        host = urllib3.util.parse_url(url).host or ""
        try:
            answer = self._pool.request(
                "GET", url, redirect=False, preload_content=False, timeout=urllib3.Timeout(total=seconds)
            )
            with answer:
                body = _read(answer, began + seconds)
                answer.drain_conn() if len(body) < MOST_BYTES else answer.close()
        except (NameResolutionError, SSLError) as error:
            kind = "its name is not found" if isinstance(error, NameResolutionError) else "its certificate is refused"
            raise OutsideError(Text("{host} could not be asked: {kind}.", host=Code(host), kind=kind)) from error
        except NewConnectionError as error:  # to urllib3 it is a kind of TimeoutError
            if not isinstance(error.__cause__, ConnectionRefusedError):
                raise OutsideError(Text("{host} cannot be reached from here.", host=Code(host))) from error
            return Page(0, seconds=time.monotonic() - began, why="the connection is refused")
        except exceptions.TimeoutError:
            return Page(0, seconds=time.monotonic() - began, why=f"nothing in {seconds:g} s")
        except ProtocolError:
            return Page(0, seconds=time.monotonic() - began, why="the connection broke")
        except (HTTPError, ValueError) as error:
            raise OutsideError(Text("{host} could not be asked.", host=Code(host))) from error
        return Page(answer.status, body.decode(errors="replace"), time.monotonic() - began)


def _read(answer: urllib3.BaseHTTPResponse, until: float) -> bytes:
    """Raises urllib3's TimeoutError for a body that trickles."""
    body = b""
    while len(body) < MOST_BYTES and (piece := answer.read1(MOST_BYTES - len(body))):
        body += piece
        if time.monotonic() > until:
            raise exceptions.TimeoutError
    return body
