"""TLS and ports, as a public address shows them: versions, ciphers, and who is reached at all.

- Nothing older than TLS 1.2; no cipher without encryption, without a name, made for export, RC4, DES or 3DES; and no
  key exchange without forward secrecy, as Mozilla's profile "intermediate" has it
  (https://wiki.mozilla.org/Security/Server_Side_TLS).
- Of TLS 1.3's ciphers none is broken except those without encryption (RFC 9150); one with a tag of 64 bits is not
  recommended by IANA. A server that does not speak it has none of them.
- A port that must be open is open at every address. One that must be closed refuses; or it is silent while the same
  address answered at another port: silence alone proves nothing, since the way there may be down.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from handlers.core.health.findings import Finding, failed, passed, unknown
from handlers.core.health.vitals import Edge, Reached
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Code, Text

SOURCE = "the address itself"
OLD = ("SSLv3", "TLSv1", "TLSv1.1")
# https://www.iana.org/assignments/tls-parameters: each value once, by what is wrong with it.
NULL = (0x0001, 0x0002, 0x003B, 0xC001, 0xC006, 0xC00B, 0xC010)
NAMELESS = (
    0x0017, 0x0018, 0x0019, 0x001A, 0x001B, 0x0034, 0x003A, 0x0046, 0x006C, 0x006D, 0x0089, 0x009B, 0x00A6, 0x00A7,
    0xC015, 0xC016, 0xC017, 0xC018, 0xC019,
)  # fmt: skip
EXPORT = (0x0003, 0x0006, 0x0008, 0x000B, 0x000E, 0x0011, 0x0014, 0x0062, 0x0063, 0x0064, 0x0065)
RC4 = (0x0004, 0x0005, 0x0066, 0xC002, 0xC007, 0xC00C, 0xC011)
DES = (
    0x0009, 0x000A, 0x000C, 0x000D, 0x000F, 0x0010, 0x0012, 0x0013, 0x0015, 0x0016, 0xC003, 0xC008, 0xC00D, 0xC012,
)  # fmt: skip
STATIC = (0x002F, 0x0035, 0x003C, 0x003D, 0x0041, 0x0084, 0x0096, 0x009C, 0x009D, 0xC09C, 0xC09D, 0xC0A0, 0xC0A1)
PRIVATE = (
    0x0033, 0x0039, 0x0067, 0x006B, 0x009E, 0x009F, 0xC009, 0xC00A, 0xC013, 0xC014, 0xC023, 0xC024, 0xC027, 0xC028,
    0xC02B, 0xC02C, 0xC02F, 0xC030, 0xCCA8, 0xCCA9, 0xCCAA,
)  # fmt: skip
BROKEN: Mapping[str, Sequence[int]] = {
    "without encryption": NULL,
    "without a name": NAMELESS,
    "made for export": EXPORT,
    "RC4": RC4,
    "DES": DES,
}
WEAK13: Mapping[str, Sequence[int]] = {"without encryption": (0xC0B4, 0xC0B5), "a tag of 64 bits": (0x1305,)}
ANY13 = (0x1301, 0x1302, 0x1303, 0x1304, 0x1305, 0xC0B4, 0xC0B5)
ANY = (*PRIVATE, *STATIC, *DES, *RC4, *NAMELESS, *EXPORT, *NULL)
LOOKS = len(OLD) + len(BROKEN) + 1 + len(WEAK13) + 1


def transport(edge: Edge, host: str, port: int, seconds: float) -> Iterator[Finding]:
    """Versions and ciphers. Raises OutsideError when not one hello was answered."""
    each, answered = seconds / LOOKS, 0
    for version in OLD:
        try:
            yield old(version, taken=edge.chosen(host, port, version, ANY, each) is not None)
            answered += 1
        except OutsideError as error:
            if not answered:
                raise
            yield unknown(version, error.text, source=SOURCE)
    yield from _ciphers(edge, host, port, each)
    yield _ciphers13(edge, host, port, each)


def old(version: str, *, taken: bool) -> Finding:
    """A version that is too old."""
    if taken:
        text = Text("It still speaks {version}.", version=version)
        return failed(version, text, value="yes", limit="no", source=SOURCE)
    return passed(version, Text("It does not speak {version}.", version=version), value="no", limit="no", source=SOURCE)


def _ciphers(edge: Edge, host: str, port: int, seconds: float) -> Iterator[Finding]:
    name = "ciphers"
    try:
        broken = [why for why, ciphers in BROKEN.items() if _taken(edge, host, port, ciphers, seconds)]
        static = _taken(edge, host, port, STATIC, seconds)
    except OutsideError as error:
        yield unknown(name, error.text, source=SOURCE)
        return
    if broken:
        text = Text("It takes ciphers that protect nobody: {why}.", why=", ".join(broken))
        yield failed(name, text, value=", ".join(broken), limit="none", source=SOURCE)
    else:
        yield passed(name, Text("It takes no broken cipher."), value="none", limit="none", source=SOURCE)
    if static:
        text = Text("What is recorded today can be read once its key is known: RSA key exchange is taken.")
        yield failed("forward secrecy", text, value="RSA", limit="ECDHE or DHE", source=SOURCE)
    else:
        yield passed(
            "forward secrecy", Text("What is recorded today stays secret."), limit="ECDHE or DHE", source=SOURCE
        )


def _ciphers13(edge: Edge, host: str, port: int, seconds: float) -> Finding:
    name, version = "ciphers of TLS 1.3", "TLSv1.3"
    try:
        weak = [why for why, each in WEAK13.items() if _taken(edge, host, port, each, seconds, version)]
        spoken = bool(weak) or _taken(edge, host, port, ANY13, seconds, version)
    except OutsideError as error:
        return unknown(name, error.text, source=SOURCE)
    if weak:
        text = Text("With TLS 1.3 it takes ciphers that it should not: {why}.", why=", ".join(weak))
        return failed(name, text, value=", ".join(weak), limit="none", source=SOURCE)
    if not spoken:
        return passed(name, Text("It does not speak TLS 1.3."), value="none", limit="none", source=SOURCE)
    return passed(name, Text("Its ciphers of TLS 1.3 are good ones."), value="none", limit="none", source=SOURCE)


def _taken(edge: Edge, host: str, port: int, ciphers: Sequence[int], seconds: float, version: str = "TLSv1.2") -> bool:
    return edge.chosen(host, port, version, ciphers, seconds) is not None


# -- ports -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Door:
    """A port, and whether the bot should reach it from where it stands. `host` empty: that of the public address."""

    port: int
    wanted: Literal["open", "closed"]
    host: str = ""


def ports(edge: Edge, host: str, doors: Sequence[Door], seconds: float) -> Iterator[Finding]:
    """Each door. Raises nothing."""
    hosts = list(dict.fromkeys(door.host or host for door in doors))
    for each in hosts:
        theirs = [door for door in doors if (door.host or host) == each]
        try:
            found = edge.reach(each, [door.port for door in theirs], seconds / len(hosts))
        except OutsideError as error:
            yield from (unknown(_named(door, each, host), error.text, source=SOURCE) for door in theirs)
            continue
        for door in theirs:
            yield _judged(door, _named(door, each, host), found)


def _named(door: Door, each: str, host: str) -> str:
    return f"port {door.port}" if each == host else f"port {each}:{door.port}"


def _judged(door: Door, name: str, found: Mapping[int, Mapping[str, Reached]]) -> Finding:
    said, limit = found[door.port], door.wanted
    untried = [address for address, each in said.items() if each == "untried"]
    opened = [address for address, each in said.items() if each == "open"]
    if door.wanted == "closed" and opened:
        text = Text("{name} is open from here, at {where}.", name=name, where=Code(", ".join(opened)))
        return failed(name, text, value="open", limit=limit, source=SOURCE)
    if untried:
        text = Text("{name}: there is no way from here to {where}.", name=name, where=Code(", ".join(untried)))
        return unknown(name, text, source=SOURCE)
    if door.wanted == "open":
        shut = [address for address, each in said.items() if each != "open"]
        if shut:
            text = Text("{name} is not open from here, at {where}.", name=name, where=Code(", ".join(shut)))
            return failed(name, text, value=said[shut[0]], limit=limit, source=SOURCE)
        return passed(
            name, Text("{name} is open, as it should be.", name=name), value="open", limit=limit, source=SOURCE
        )
    silent = [address for address, each in said.items() if each == "silent" and not _alive(found, address)]
    if silent:
        text = Text("{name} is silent, and so is all of {where}: it may be closed, or out of reach.", name=name,
                    where=Code(", ".join(silent)))  # fmt: skip
        return unknown(name, text, source=SOURCE)
    return passed(name, Text("{name} is closed from here.", name=name), value="closed", limit=limit, source=SOURCE)


def _alive(found: Mapping[int, Mapping[str, Reached]], address: str) -> bool:
    """Whether the address answered at any port, if only to refuse."""
    return any(each.get(address) in {"open", "refused"} for each in found.values())
