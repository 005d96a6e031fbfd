"""The other servers to which a backup may be restored, as the operator names them in NEGAHBAN_CONFIG.

    servers:
      staging:
        uri: mongodb://…/shop            # or uri_file: the path of a file that holds it

- Nobody names an address in Slack: only what stands in this file can be meant.
- A name is a target of its own: who may restore there the rules say by this name, and one job at a time works on it.
- What is wrong is said all at once; no address is ever repeated.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from handlers.core.words.answers import TargetName

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_WORDS = frozenset({"only", "into", "to", "latest", "undo", "tidy", "help"})
_KEYS = {"uri", "uri_file"}


@dataclass(frozen=True, slots=True)
class Server:
    """One of them. Exactly one of `uri` and `uri_file` is given."""

    name: TargetName
    uri: str
    uri_file: str

    def __repr__(self) -> str:
        return f"Server({self.name})"


def read(data: object) -> tuple[tuple[Server, ...], tuple[str, ...]]:
    """The servers in the file's data, and what is wrong with it."""
    if not isinstance(data, Mapping):
        return (), ("expected `servers:` and their names below it",)
    problems = [f"{key} is not supported yet; use the single variables" for key in map(str, data) if key != "servers"]
    given = data.get("servers", {})
    if not isinstance(given, Mapping):
        return (), (*problems, "servers: expected names, and `uri` or `uri_file` below each")
    found = []
    for name, each in given.items():
        wrong = _wrong(name, each)
        if wrong:
            problems.append(wrong)
        else:
            found.append(Server(TargetName(name), str(each.get("uri", "")), str(each.get("uri_file", ""))))
    return tuple(found), tuple(problems)


def _wrong(name: object, each: object) -> str:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None or name in _WORDS:
        return "the name of a server is small letters, digits and dashes, at most 31, and no word of `/restore`"
    if not isinstance(each, Mapping) or not set(map(str, each)) <= _KEYS:
        return f"{name}: expected `uri` or `uri_file`, and nothing else"
    texts = [value for value in each.values() if isinstance(value, str) and value]
    if len(each) != 1 or len(texts) != 1:
        return f"{name}: expected one of `uri` and `uri_file`"
    return ""
