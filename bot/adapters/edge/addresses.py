"""Which addresses of a name may be asked: every one of them is checked, and one that may not be is enough to refuse."""

from __future__ import annotations

import ipaddress
import socket

from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

MOST_ADDRESSES = 8
_METADATA = frozenset({ipaddress.ip_address("fd00:ec2::254"), ipaddress.ip_address("100.100.100.200")})


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
