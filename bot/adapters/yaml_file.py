"""YAML files that the team wrote: read as plain data, with the line where something is wrong.

- Only plain data: tags, and aliases (which can grow a small file to gigabytes), are refused.
- A key that is twice in one mapping is refused: YAML demands it, and the first rule would be lost without a word.
- At most 256 KiB, 50 levels deep, and numbers of 100 characters: every file is read within a moment or refused.
- Whatever is in the file, the only ends are data and a Refusal that names a line.
"""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from yaml.reader import Reader

from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Text

MOST_BYTES = 256 * 1024
MOST_DEPTH, MOST_DIGITS = 50, 100
MOST_KEY = 60
MERGE = "tag:yaml.org,2002:merge"
_NUMBERS = {"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"}
_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)


class _Loader(yaml.CSafeLoader):
    """Plain data in C; a value that cannot be made is told with its line."""

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """See PyYAML."""
        if node.tag in _NUMBERS and len(node.value) > MOST_DIGITS:
            raise yaml.constructor.ConstructorError(None, None, "a number is too long", node.start_mark)
        try:
            return super().construct_object(node, deep=deep)
        except _DAMAGE as error:
            why = "a value is not what it looks like"
            raise yaml.constructor.ConstructorError(None, None, why, node.start_mark) from error

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """See PyYAML, which lets the last of two equal keys win (yaml.org/spec/1.2.2, 3.2.1.1: keys are unique)."""
        lines: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = MERGE if key_node.tag == MERGE else self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                break  # PyYAML refuses it
            if key in lines:
                word = str(key_node.value)[:MOST_KEY]
                why = f"the key {word} is there already, in line {lines[key]}"
                raise yaml.constructor.ConstructorError(None, None, why, key_node.start_mark)
            lines[key] = key_node.start_mark.line + 1
        return super().construct_mapping(node, deep=deep)


def read(path: Path) -> object:
    """The data in the file. Raises OutsideError when it cannot be read, Refusal for what is not plain YAML."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise OutsideError(
            Text("{file} cannot be read: {why}.", file=Code(path.name), why=error.strerror or "")
        ) from error
    if len(content) > MOST_BYTES:
        raise Refusal(Text("{file} is larger than 256 KiB.", file=Code(path.name)))
    text = _decoded(path.name, content)
    try:
        _plain(path.name, text)
        data: object = yaml.load(text, _Loader)  # noqa: S506 a safe loader, see there
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        raise _wrong(path.name, line, error.problem or "not YAML") from error
    except (yaml.YAMLError, *_DAMAGE) as error:
        raise _wrong(path.name, 1, "not YAML") from error
    return data


def _decoded(file: str, content: bytes) -> str:
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise _wrong(file, content.count(b"\n", 0, error.start) + 1, "not UTF-8") from error
    odd = Reader.NON_PRINTABLE.search(text)
    if odd is not None:
        raise _wrong(file, text.count("\n", 0, odd.start()) + 1, "a character that YAML does not have")
    return text


def _plain(file: str, text: str) -> None:
    """Refuses what must not be built, before anything is."""
    depth = 0
    for event in yaml.parse(text, yaml.CSafeLoader):
        line = event.start_mark.line + 1 if event.start_mark is not None else 1
        if isinstance(event, yaml.AliasEvent):
            raise _wrong(file, line, "aliases are not read")
        if isinstance(event, yaml.NodeEvent) and getattr(event, "tag", None) is not None:
            raise _wrong(file, line, "tags are not read")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise _wrong(file, line, "more than 50 levels deep")


def _wrong(file: str, line: int, why: str) -> Refusal:
    return Refusal(Text("{file}, line {line}: {why}.", file=Code(file), line=line, why=why))
