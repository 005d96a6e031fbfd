"""Names, TCP connections and TLS, as this machine sees them.

- A look-up has no time limit of its own in the C library, so it runs in a thread that is left behind when it takes too
  long; that it could not be asked is then said.
- "No such name" is an answer; "the name servers do not answer" is none.
"""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from datetime import UTC, datetime

from handlers.core.runbooks.probes import Certificate, Connected
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

_NO_SUCH = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})


class NetworkProbe:
    """The Network port. `authorities`: a file with certificates to believe instead of the system's."""

    def __init__(self, authorities: str = "") -> None:
        self._authorities = authorities or None

    def resolve(self, host: str, seconds: float) -> tuple[str, ...]:
        """See the port."""
        answer: queue.SimpleQueue[tuple[str, ...] | OSError] = queue.SimpleQueue()

        def ask() -> None:
            try:
                found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                answer.put(tuple(dict.fromkeys(str(each[4][0]) for each in found)))
            except (OSError, UnicodeError) as error:
                answer.put(error if isinstance(error, OSError) else OSError(socket.EAI_NONAME, "not a name"))

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        try:
            found = answer.get(timeout=seconds)
        except queue.Empty:
            raise OutsideError(Text("The name {host} could not be looked up in time.", host=Code(host))) from None
        if isinstance(found, OSError):
            if found.errno in _NO_SUCH:
                return ()
            raise OutsideError(Text("The name {host} could not be looked up.", host=Code(host))) from found
        return found

    def connect(self, host: str, port: int, seconds: float) -> Connected:
        """See the port."""
        began = time.monotonic()
        try:
            socket.create_connection((host, port), timeout=seconds).close()
        except (OSError, UnicodeError) as error:
            return Connected(time.monotonic() - began, _why(error, host))
        return Connected(time.monotonic() - began)

    def tls(self, host: str, port: int, seconds: float) -> Certificate:
        """See the port."""
        began = time.monotonic()
        try:
            context = ssl.create_default_context(cafile=self._authorities)
            with (
                socket.create_connection((host, port), timeout=seconds) as plain,
                context.wrap_socket(plain, server_hostname=host) as made,
            ):
                shown = made.getpeercert() or {}
        except ssl.SSLCertVerificationError as error:
            return Certificate(None, time.monotonic() - began, error.verify_message)
        except ssl.SSLError as error:
            return Certificate(None, time.monotonic() - began, error.reason or "no TLS")
        except (OSError, UnicodeError) as error:
            raise OutsideError(Text("{host} broke the connection.", host=Code(host))) from error
        ends = shown.get("notAfter")
        until = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if isinstance(ends, str) else None
        return Certificate(until, time.monotonic() - began)


def _why(error: Exception, host: str) -> str:
    """How a connection was refused. Raises OutsideError when it was never tried."""
    match error:
        case TimeoutError():
            return "nothing in time"
        case ConnectionRefusedError():
            return "refused"
        case ConnectionError():
            return "reset"
        case _:
            raise OutsideError(Text("{host} could not be tried from here.", host=Code(host))) from error
