"""A question: what the team asks of restored data, so that a drill says more than "the bytes are there".

- A collection, an aggregation pipeline over it, and how many documents it must at least give.
- Written as a JSON list: `[{"collection": "orders", "pipeline": [{"$match": {"state": "paid"}}], "at_least": 1}]`.
  The pipeline is Extended JSON, kept as text; nothing here knows MongoDB.
- A question only reads: a pipeline with a stage that writes is refused.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

QUESTIONS_LIMIT = 50
_FIELDS = frozenset({"collection", "pipeline", "at_least"})
# The only stages that write (mongodb.com/docs/manual/reference/operator/aggregation-pipeline, read 2026-11).
_WRITING = frozenset({"$out", "$merge"})


@dataclass(frozen=True, slots=True)
class Question:
    """See the module. `pipeline`: Extended JSON of a list of stages."""

    collection: str
    pipeline: str = "[]"
    at_least: int = 1


def parsed(text: str) -> tuple[Question, ...]:
    """The questions; none for an empty text. Raises ValueError saying what was expected, and of which question."""
    if not text:
        return ()
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError('a JSON list like [{"collection": "orders", "pipeline": [], "at_least": 1}]') from None
    if not isinstance(listed, list) or len(listed) > QUESTIONS_LIMIT:
        raise ValueError(f"a JSON list of at most {QUESTIONS_LIMIT} questions")
    return tuple(_question(number, given) for number, given in enumerate(listed, 1))


def _question(number: int, given: Any) -> Question:
    if not isinstance(given, dict) or not given.keys() <= _FIELDS:
        raise ValueError(f"question {number} to have collection, pipeline and at_least, and nothing else")
    collection, at_least, pipeline = given.get("collection"), given.get("at_least", 1), given.get("pipeline", [])
    if not isinstance(collection, str) or not collection or "$" in collection or "\0" in collection:
        raise ValueError(f"question {number} to name a collection")
    if isinstance(at_least, bool) or not isinstance(at_least, int) or not 1 <= at_least < 2**31:
        raise ValueError(f"question {number} to have a whole number from 1 in at_least")
    if not isinstance(pipeline, list) or not all(isinstance(stage, dict) and len(stage) == 1 for stage in pipeline):
        raise ValueError(f"question {number} to have a list of stages in pipeline, each with one operator")
    _refuse_writing(number, pipeline)
    return Question(collection, json.dumps(pipeline, separators=(",", ":")), at_least)


def _refuse_writing(number: int, pipeline: Sequence[dict[str, Any]]) -> None:
    for stage in pipeline:
        (operator,) = stage
        if not operator.startswith("$"):
            raise ValueError(f"question {number} to have stages that begin with $")
        if operator in _WRITING:
            raise ValueError(f"question {number} to only read, without {operator}")
