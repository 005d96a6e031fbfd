"""One spelling for options and index definitions, whoever tells them: the archive's prelude or the server.

- Canonical Extended JSON keeps every number's type (mongodb.com/docs, "MongoDB Extended JSON v2").
- The order inside index keys, filters and pipelines means something and is kept. mongodump shuffles the fields of
  definitions themselves (seen with `clusteredIndex`, 100.7.0), so those are sorted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bson import json_util

# Fields of an index that say nothing about it, or that servers of different versions add by themselves.
_INDEX_NOISE = frozenset({"v", "ns", "background"})
_OPTION_NOISE = frozenset({"uuid"})
# Definitions whose own order means nothing.
_UNORDERED = frozenset({"clusteredIndex", "timeseries", "collation", "weights", "storageEngine"})


def index_text(index: Mapping[str, Any]) -> str:
    """An index as listIndexes gives it."""
    return _text({name: value for name, value in index.items() if name not in _INDEX_NOISE})


def options_text(options: Mapping[str, Any]) -> str:
    """A collection's options as listCollections gives them."""
    return _text({name: value for name, value in options.items() if name not in _OPTION_NOISE})


def definition(text: str) -> dict[str, Any]:
    """A definition as the driver takes it, inner order kept. Raises ValueError."""
    found = json_util.loads(text, json_options=json_util.CANONICAL_JSON_OPTIONS)
    if not isinstance(found, dict):
        raise ValueError("not a definition")
    return found


def _text(document: Mapping[str, Any]) -> str:
    ordered = {name: _sorted(value) if name in _UNORDERED else value for name, value in sorted(document.items())}
    spelled = json_util.dumps(ordered, json_options=json_util.CANONICAL_JSON_OPTIONS)
    return json.dumps(json.loads(spelled), separators=(",", ":"), ensure_ascii=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return value
