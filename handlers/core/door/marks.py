"""A mark: a key in the state whose being there, or being newer, says something, whoever wrote it last."""

from __future__ import annotations

from handlers.core.ports import State


def mark(state: State, key: str, value: bytes, *, seconds: int, rounds: int) -> None:
    """Writes the key over whatever it was; given up after so many rounds, because then others just wrote it. Raises
    OutsideError."""
    for _ in range(rounds):
        held = state.get(key)
        version = None if held is None else held.version
        if state.put_if(key, value, version, seconds=seconds) is not None:
            return
