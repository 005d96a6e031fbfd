"""A public address, from outside: one question at a time over HTTP, and TLS on every address of its name.

- A name is looked up once for each question, every address of it is checked, and the connection goes to a checked one.
- Link-local addresses (cloud metadata among them) are refused, however they are written; the configured name may lead
  to private and loopback ones, because services live there.
- No redirect is followed; the body is not read; headers are taken up to http.client's own limits.
"""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from bot.adapters.edge import hello, reach
from bot.adapters.edge.addresses import addresses
from bot.adapters.edge.filed import read_der
from handlers.core.health.vitals import Answer, Reached, Shown
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text


class HttpEdge:
    """The Edge port. `authorities`: a file with certificates to believe instead of the system's."""

    def __init__(self, authorities: str = "") -> None:
        self._authorities = authorities or None

    def ask(self, url: str, headers: Mapping[str, str], seconds: float, method: str = "GET") -> Answer:
        """See the port."""
        parts = urlsplit(url)
        host, secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (443 if secure else 80)
        address = addresses(host, port)[0]
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        try:
            plain = socket.create_connection((address, port), timeout=seconds)
            connection.sock = self._unproved().wrap_socket(plain, server_hostname=host) if secure else plain
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, headers={"User-Agent": "negahban", **headers})
            answer = connection.getresponse()
            return Answer(answer.status, tuple((name.lower(), value[:4000]) for name, value in answer.getheaders()))
        except ConnectionRefusedError:
            return Answer(0, why="the connection is refused")
        except TimeoutError as error:
            raise OutsideError(Text("{host} did not answer in time.", host=Code(host))) from error
        except ssl.SSLError as error:
            return Answer(0, why=f"no TLS ({error.reason or 'unknown'})")
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise OutsideError(Text("{host} could not be asked.", host=Code(host))) from error
        finally:
            connection.close()

    def certificates(self, host: str, port: int, seconds: float) -> tuple[Shown, ...]:
        """See the port."""
        found = addresses(host, port)
        return tuple(self._shown(host, port, address, seconds / len(found)) for address in found)

    def _shown(self, host: str, port: int, address: str, seconds: float) -> Shown:
        context = ssl.create_default_context(cafile=self._authorities)
        try:
            with (
                socket.create_connection((address, port), timeout=seconds) as plain,
                context.wrap_socket(plain, server_hostname=host) as made,
            ):
                filed = read_der(made.getpeercert(binary_form=True) or b"")
                return Shown(address, filed.until, made.version() or "", "", filed.begins, filed.fingerprint)
        except ssl.SSLCertVerificationError as error:
            return self._doubted(host, port, address, error.verify_message, seconds)
        except ssl.SSLError as error:
            return Shown(address, None, "", error.reason or "no TLS")
        except ConnectionRefusedError:
            return Shown(address, None, "", "the connection is refused")
        except (OSError, ValueError) as error:
            raise OutsideError(Text("{host} at {address} did not answer.", host=Code(host), address=address)) from error

    def _doubted(self, host: str, port: int, address: str, why: str, seconds: float) -> Shown:
        """Which one it is that is not believed: it may be an old one, of which there is a newer."""
        try:
            with (
                socket.create_connection((address, port), timeout=seconds) as plain,
                self._unproved().wrap_socket(plain, server_hostname=host) as made,
            ):
                filed = read_der(made.getpeercert(binary_form=True) or b"")
                return Shown(address, None, "", why, filed.begins, filed.fingerprint)
        except (OSError, ValueError):
            return Shown(address, None, "", why)

    def chosen(self, host: str, port: int, version: str, ciphers: Sequence[int], seconds: float) -> int | None:
        """See the port."""
        return hello.chosen(addresses(host, port)[0], port, host, version, ciphers, seconds)

    def reach(self, host: str, ports: Sequence[int], seconds: float) -> Mapping[int, Mapping[str, Reached]]:
        """See the port."""
        return reach.reached(addresses(host, ports[0]), ports, seconds)

    def _unproved(self) -> ssl.SSLContext:
        """For what does not depend on the certificate: that one is judged apart, on every address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
