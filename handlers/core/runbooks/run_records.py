"""The records of runs in the state.

- `run:<id>` is one run; every change is a compare-and-set that marks `dirty:run.<id>` in the same step, so that the
  relay shows it. Kept 30 days after the last change.
- `output:<run>/<step>/<attempt>` is an output that was too long for the thread, kept as long.
- `run-of:<group>.<round>.<runbook>` names the run of an alert: two who press its button get one run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from handlers.core.door.marks import mark
from handlers.core.ports import State
from handlers.core.runbooks.attempts import Attempt, StepState
from handlers.core.runbooks.runbooks import Runbook
from handlers.core.runbooks.runs import Run, Said
from handlers.core.words.answers import PersonId, TargetName
from handlers.core.words.errors import OutsideError
from handlers.core.words.jobs import text_from_json, text_json
from handlers.core.words.text import Text

KEEP_SECONDS = 30 * 86_400
ROUNDS = 32
SKETCH, SKETCH_SECONDS = "sketch:", 3600
OUTPUT = "output:"


class RunRecords:
    """Everything raises OutsideError."""

    def __init__(self, state: State) -> None:
        self._state = state

    def create(self, run: Run) -> None:
        """A new run; one of that id stays as it is."""
        self._state.put_if(f"run:{run.id}", encoded(run), None, seconds=KEEP_SECONDS, touch=f"dirty:run.{run.id}")

    def load(self, run_id: str) -> Run | None:
        """None when there is none."""
        held = self._state.get(f"run:{run_id}")
        return None if held is None else decoded(held.value)

    def change(self, run_id: str, how: Callable[[Run], Run]) -> Run | None:
        """Applies `how` to the newest record until it could be stored; None when there is none. What `how` raises
        goes through."""
        key = f"run:{run_id}"
        for _ in range(ROUNDS):
            held = self._state.get(key)
            if held is None:
                return None
            before = decoded(held.value)
            after = how(before)
            if after == before:
                return before
            touch = f"dirty:run.{run_id}"
            if self._state.put_if(key, encoded(after), held.version, seconds=KEEP_SECONDS, touch=touch) is not None:
                return after
        raise OutsideError(Text("Too many changed the same run at once. Try again."))

    def of_alert(self, name: str, run_id: str) -> str:
        """Makes this the run of an alert unless there is one that is not over: the id of the run it has now."""
        key = f"run-of:{name}"
        for _ in range(ROUNDS):
            held = self._state.get(key)
            if held is not None:
                there = self.load(held.value.decode())
                if there is None or there.over is None:
                    return held.value.decode()  # without a record: whoever claimed it died before it was made
            version = None if held is None else held.version
            if self._state.put_if(key, run_id.encode(), version, seconds=KEEP_SECONDS) is not None:
                return run_id
        raise OutsideError(Text("Too many started the same runbook at once. Try again."))

    def sketch(self, run_id: str, name: str, number: int) -> None:
        """A plot of what this attempt measured is wanted."""
        mark(self._state, f"{SKETCH}{run_id}/{name}/{number}", b"", seconds=SKETCH_SECONDS, rounds=ROUNDS)

    def keep_output(self, run_id: str, name: str, number: int, output: str) -> None:
        """The whole output of an attempt; what is kept already stays."""
        self._state.put_if(f"{OUTPUT}{run_id}/{name}/{number}", output.encode(), None, seconds=KEEP_SECONDS)

    def output(self, run_id: str, attempt: str) -> str | None:
        """The whole output of an attempt, `STEP/NUMBER`; None when it is not kept any more."""
        held = self._state.get(f"{OUTPUT}{run_id}/{attempt}")
        return None if held is None else held.value.decode()

    def all(self) -> tuple[Run, ...]:
        """Every run, newest first."""
        found = (self.load(key.removeprefix("run:")) for key in self._state.keys("run:"))
        return tuple(sorted((each for each in found if each is not None), key=lambda run: run.began, reverse=True))


def encoded(run: Run) -> bytes:
    """The stored form."""
    return json.dumps(
        {
            "id": run.id,
            "runbook": run.runbook.to_json(),
            "target": run.target,
            "channel": run.channel,
            "by": run.by,
            "lead": run.lead,
            "began": run.began.isoformat(),
            "labels": dict(run.labels),
            "alert": run.alert,
            "group": run.group,
            "fired": _spelled(run.fired),
            "attempts": {name: [_attempt_json(each) for each in tries] for name, tries in run.attempts.items()},
            "said": [
                [each.at.isoformat(), text_json(each.text), each.result, each.report, each.output] for each in run.said
            ],
            "closed": _spelled(run.closed),
            "closed_by": run.closed_by,
            "fenced": list(run.fenced),
            "itself": run.itself,
            "why": run.why,
        }
    ).encode()


def decoded(value: bytes) -> Run:
    """What `encoded` made."""
    data = json.loads(value)
    return Run(
        id=data["id"],
        runbook=Runbook.from_json(data["runbook"]),
        target=TargetName(data["target"]),
        channel=data["channel"],
        by=PersonId(data["by"]),
        lead=PersonId(data["lead"]),
        began=datetime.fromisoformat(data["began"]),
        labels=data["labels"],
        alert=data["alert"],
        group=data["group"],
        fired=_moment(data["fired"]),
        attempts={name: tuple(map(_attempt, tries)) for name, tries in data["attempts"].items()},
        said=tuple(Said(datetime.fromisoformat(at), text_from_json(text), *rest) for at, text, *rest in data["said"]),
        closed=_moment(data["closed"]),
        closed_by=data["closed_by"],
        fenced=tuple(data["fenced"]),
        itself=data.get("itself", False),
        why=data.get("why", ""),
    )


def _attempt_json(attempt: Attempt) -> dict[str, object]:
    return {
        "state": attempt.state.value,
        "who": attempt.who,
        "began": attempt.began.isoformat(),
        "job": attempt.job,
        "ended": _spelled(attempt.ended),
        "text": text_json(attempt.text),
        "facts": [list(each) for each in attempt.facts],
        **({"picture": attempt.picture} if attempt.picture else {}),
    }


def _attempt(data: Mapping[str, Any]) -> Attempt:
    return Attempt(
        state=StepState(data["state"]),
        who=PersonId(data["who"]),
        began=datetime.fromisoformat(data["began"]),
        job=data["job"],
        ended=_moment(data["ended"]),
        text=text_from_json(data["text"]),
        facts=tuple((label, value) for label, value in data["facts"]),
        picture=data.get("picture", ""),
    )


def _spelled(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(stored: str | None) -> datetime | None:
    return None if stored is None else datetime.fromisoformat(stored)
