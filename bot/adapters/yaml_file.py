"""YAML files that the team wrote: read as plain data, with the line where something is wrong.

- Only plain data: tags that make objects, and aliases (which can grow a small file to gigabytes), are refused.
- At most 256 KiB.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from handlers.core.errors import OutsideError, Refusal
from handlers.core.text import Code, Text

MOST_BYTES = 256 * 1024


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
    try:
        text = content.decode()
        for token in yaml.scan(text, yaml.SafeLoader):
            if isinstance(token, yaml.AliasToken):
                line = token.start_mark.line + 1
                raise Refusal(Text("{file}, line {line}: aliases are not read.", file=Code(path.name), line=line))
        data: object = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = 0 if error.problem_mark is None else error.problem_mark.line + 1
        why = error.problem or "not YAML"
        raise Refusal(Text("{file}, line {line}: {why}.", file=Code(path.name), line=line, why=why)) from error
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise Refusal(Text("{file} is not YAML in UTF-8.", file=Code(path.name))) from error
    return data
