"""One spelling for options and index definitions, whoever tells them: the archive's prelude or the server.

- Canonical Extended JSON keeps every number's type (mongodb.com/docs, "MongoDB Extended JSON v2").
- mongodump 100.7.0 writes indexes as they are, but the fields of every document inside a collection's options in
  random order (a Go map; TOOLS-3411, mended in 100.9.1). So those are sorted here, and what the archive says about a
  pipeline or a validator is never used: order means something in `$sort` and in a literal document, so these keep
  theirs, and are taken from the server.
- The order inside index keys and filters is kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bson import json_util
from bson.errors import BSONError

# Fields of an index that say nothing about it, or that servers of different versions add by themselves.
_INDEX_NOISE = frozenset({"v", "ns", "background"})
_OPTION_NOISE = frozenset({"uuid"})
# What collMod writes down when it is given a validator, and what is meant when nothing is written.
_OPTION_DEFAULTS = {"validationAction": "error", "validationLevel": "strict"}
# Parts of an index whose own order means nothing.
_UNORDERED_IN_INDEX = frozenset({"collation", "weights", "storageEngine"})
_ORDERED_IN_OPTIONS = frozenset({"pipeline", "validator"})


def index_text(index: Mapping[str, Any]) -> str:
    """An index as listIndexes gives it."""
    return _text(
        {
            name: _sorted(value) if name in _UNORDERED_IN_INDEX else value
            for name, value in sorted(index.items())
            if name not in _INDEX_NOISE
        }
    )


def options_text(options: Mapping[str, Any]) -> str:
    """A collection's options as listCollections gives them."""
    return _text(
        {
            name: value if name in _ORDERED_IN_OPTIONS else _sorted(value)
            for name, value in sorted(options.items())
            if name not in _OPTION_NOISE and _OPTION_DEFAULTS.get(name) != value
        }
    )


def same_but_for_order(one: str, other: str) -> bool:
    """Whether two definitions differ in nothing but the order of fields."""
    return _text(_sorted(json.loads(one))) == _text(_sorted(json.loads(other)))


def definition(text: str) -> dict[str, Any]:
    """A definition as the driver takes it, inner order kept. Raises ValueError."""
    try:
        found = json.loads(text, object_pairs_hook=_value)
    except (BSONError, TypeError, KeyError, ArithmeticError) as error:
        raise ValueError("not a definition") from error
    if not isinstance(found, dict):
        raise ValueError("not a definition")
    return found


def stages_of(pipeline: str) -> list[Any]:
    """A pipeline, written as Extended JSON, as the driver takes it. Raises ValueError."""
    found = definition(f'{{"pipeline":{pipeline}}}')["pipeline"]
    if not isinstance(found, list):
        raise ValueError("not a pipeline")
    return found


def _value(pairs: list[tuple[str, Any]]) -> Any:
    fields = dict(pairs)
    if "$regex" in fields:
        # The operator. json_util would take it for a regular expression as Extended JSON v1 wrote them.
        return fields
    return json_util.object_hook(fields, json_util.CANONICAL_JSON_OPTIONS)


def _text(document: Mapping[str, Any]) -> str:
    spelled = json_util.dumps(document, json_options=json_util.CANONICAL_JSON_OPTIONS)
    return json.dumps(json.loads(spelled), separators=(",", ":"), ensure_ascii=True)


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _sorted(value[name]) for name in sorted(value)}
    if isinstance(value, list):
        return [_sorted(element) for element in value]
    return value
