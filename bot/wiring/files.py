"""The team's YAML files: what is wrong with one is said all at once, by the setting that names it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bot.adapters import yaml_file
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text

T = TypeVar("T")
MOST_PROBLEMS = 10


def read_file(setting: str, path: str, read: Callable[[object], tuple[T, tuple[str, ...]]]) -> T:
    """What `read` makes of the file's data. Raises Refusal with its problems, OutsideError."""
    found, problems = read(yaml_file.read(Path(path)))
    if problems:
        raise Refusal(Text("{setting}: {problems}.", setting=setting, problems="; ".join(problems[:MOST_PROBLEMS])))
    return found
