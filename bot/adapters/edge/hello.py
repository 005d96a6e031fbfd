"""The first words of a TLS handshake, made by hand: what a server chooses when it is offered only these.

- The system's TLS no longer knows SSL 3, RC4 or export ciphers, so it could not ask for them; a hello needs no
  cryptography at all: it names a version and ciphers, and the server answers with one of them or refuses (RFC 5246,
  7.4.1; RFC 6101, 5.6.1).
- TLS 1.3 wants a share of a key too. Any 32 bytes are one for x25519; a server that wants another group asks for it and
  names the cipher in the same breath (RFC 8446, 4.1.3, 4.1.4, 4.2.8).
- Nothing is sent after that. At most 16 KiB are read. An answer that is neither is no answer.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence

from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

VERSIONS = {"SSLv3": 0x0300, "TLSv1": 0x0301, "TLSv1.1": 0x0302, "TLSv1.2": 0x0303, "TLSv1.3": 0x0304}
_HANDSHAKE, _ALERT = 22, 21
_SERVER_HELLO = 2
_SUPPORTED = 43
_MOST_BYTES = 16 * 1024
_GROUPS = (0x001D, 0x0017, 0x0018, 0x0019, 0x0100, 0x0101)
_SIGNATURES = (0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0401, 0x0501, 0x0601, 0x0203, 0x0201, 0x0202)


def chosen(address: str, port: int, name: str, version: str, ciphers: Sequence[int], seconds: float) -> int | None:
    """The cipher that the server chose of these in that version; None when it refuses. Raises OutsideError."""
    try:
        with socket.create_connection((address, port), timeout=seconds) as connection:
            connection.sendall(_hello(name, VERSIONS[version], ciphers))
            return _answer(connection, VERSIONS[version])
    except (ConnectionResetError, BrokenPipeError, EOFError):
        return None  # some servers close without a word
    except (OSError, ValueError, struct.error) as error:
        raise OutsideError(Text("{host} did not answer a TLS hello.", host=Code(name))) from error


def _hello(name: str, version: int, ciphers: Sequence[int]) -> bytes:
    suites = b"".join(struct.pack(">H", each) for each in ciphers)
    legacy = min(version, VERSIONS["TLSv1.2"])
    body = struct.pack(">H", legacy) + os.urandom(32) + b"\0" + struct.pack(">H", len(suites)) + suites + b"\x01\0"
    if version > VERSIONS["SSLv3"]:
        extensions = _extensions(name, version)
        body += struct.pack(">H", len(extensions)) + extensions
    message = bytes([1]) + struct.pack(">I", len(body))[1:] + body
    return struct.pack(">BHH", _HANDSHAKE, min(version, 0x0301), len(message)) + message


def _extensions(name: str, version: int) -> bytes:
    groups = b"".join(struct.pack(">H", each) for each in _GROUPS)
    found = _extension(10, struct.pack(">H", len(groups)) + groups) + _extension(11, b"\x01\0")
    if not name.replace(".", "").isdigit() and ":" not in name:  # RFC 6066: no literal addresses
        host = name.encode("idna")
        found += _extension(0, struct.pack(">HBH", len(host) + 3, 0, len(host)) + host)
    if version >= VERSIONS["TLSv1.2"]:
        signatures = b"".join(struct.pack(">H", each) for each in _SIGNATURES)
        found += _extension(13, struct.pack(">H", len(signatures)) + signatures)
    if version == VERSIONS["TLSv1.3"]:
        share = struct.pack(">HH", _GROUPS[0], 32) + os.urandom(32)
        found += _extension(_SUPPORTED, struct.pack(">BH", 2, version))
        found += _extension(51, struct.pack(">H", len(share)) + share)
    return found


def _extension(kind: int, content: bytes) -> bytes:
    return struct.pack(">HH", kind, len(content)) + content


def _answer(connection: socket.socket, version: int) -> int | None:
    """Raises EOFError, OSError, ValueError or struct.error."""
    kind, _, length = struct.unpack(">BHH", _read(connection, 5))
    if kind == _ALERT:
        return None
    content = _read(connection, min(length, _MOST_BYTES)) if kind == _HANDSHAKE else b""
    if len(content) < 39 or content[0] != _SERVER_HELLO:
        raise ValueError("no server hello")
    said, session = struct.unpack(">H", content[4:6])[0], content[38]
    cipher: int = struct.unpack(">H", content[39 + session : 41 + session])[0]
    said = _supported(content[42 + session :]) or said
    return cipher if said == version else None  # a server may answer in an older version than the offered one


def _supported(rest: bytes) -> int:
    """The version that an extension of the answer names, as TLS 1.3 does; 0 for none. `rest`: after the compression.
    Raises struct.error."""
    end = 2 + struct.unpack(">H", rest[:2])[0] if rest else 0
    at = 2
    while at + 4 <= min(end, len(rest)):
        kind, length = struct.unpack(">HH", rest[at : at + 4])
        if kind == _SUPPORTED:
            version: int = struct.unpack(">H", rest[at + 4 : at + 6])[0]
            return version
        at += 4 + length
    return 0


def _read(connection: socket.socket, length: int) -> bytes:
    content = b""
    while len(content) < length:
        piece = connection.recv(length - len(content))
        if not piece and content:
            raise ValueError("cut short")
        if not piece:
            raise EOFError
        content += piece
    return content
