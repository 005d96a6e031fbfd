"""A public address, from outside: one question at a time over HTTP, and TLS on every address of its name.

- A name is looked up once for each question, every address of it is checked, and the connection goes to a checked one.
- Link-local addresses (cloud metadata among them) are refused, however they are written; the configured name may lead
  to private and loopback ones, because services live there.
- No redirect is followed; the body is not read; headers are taken up to http.client's own limits.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import urlsplit

from handlers.core.errors import OutsideError, Refusal
from handlers.core.text import Code, Text
from handlers.core.vitals import Answer, Shown

MOST_ADDRESSES = 8
_VERSIONS = {"TLSv1": ssl.TLSVersion.TLSv1, "TLSv1.1": ssl.TLSVersion.TLSv1_1}
_METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})


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
                ends = (made.getpeercert() or {}).get("notAfter")
                until = datetime.fromtimestamp(ssl.cert_time_to_seconds(ends), UTC) if isinstance(ends, str) else None
                return Shown(address, until, made.version() or "")
        except ssl.SSLCertVerificationError as error:
            return Shown(address, None, "", error.verify_message)
        except ssl.SSLError as error:
            return Shown(address, None, "", error.reason or "no TLS")
        except ConnectionRefusedError:
            return Shown(address, None, "", "the connection is refused")
        except OSError as error:
            raise OutsideError(Text("{host} at {address} did not answer.", host=Code(host), address=address)) from error

    def speaks(self, host: str, port: int, version: str, seconds: float) -> bool | None:
        """See the port."""
        context = self._unproved()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # an old version is meant
            try:
                context.set_ciphers("ALL:@SECLEVEL=0")
                context.minimum_version = context.maximum_version = _VERSIONS[version]
            except (ValueError, ssl.SSLError):
                return None
        address = addresses(host, port)[0]
        try:
            with (
                socket.create_connection((address, port), timeout=seconds) as plain,
                context.wrap_socket(plain, server_hostname=host),
            ):
                return True
        except ssl.SSLError as error:
            return None if error.reason in {"NO_PROTOCOLS_AVAILABLE", "UNSUPPORTED_PROTOCOL_INTERNAL"} else False
        except ConnectionResetError:
            return False
        except OSError as error:
            raise OutsideError(Text("{host} did not answer.", host=Code(host))) from error

    def _unproved(self) -> ssl.SSLContext:
        """For what does not depend on the certificate: that one is judged apart, on every address."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context


def addresses(host: str, port: int) -> tuple[str, ...]:
    """Every address of a name, all of them allowed. Raises Refusal for one that is not, OutsideError without any."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutsideError(Text("The name {host} could not be looked up.", host=Code(host))) from error
    every = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    for address in every:
        if not _allowed(address):
            raise Refusal(Text("{host} leads to {address}, which is never asked.", host=Code(host), address=address))
    return every[:MOST_ADDRESSES]


def _allowed(address: str) -> bool:
    known = ipaddress.ip_address(address.partition("%")[0])
    mapped = getattr(known, "ipv4_mapped", None) or getattr(known, "sixtofour", None)
    every = [known, *([mapped] if mapped is not None else [])]
    return not any(
        each.is_link_local or each.is_multicast or each.is_unspecified or each in _METADATA for each in every
    )
