"""Sketches: plots of what promql steps asked Prometheus for, put into the card of their run afterwards.

- A step marks that it measured something, and never waits: the picture is drawn beside the relay, by the child that
  draws for alerts, and put into the attempt when it is there.
- `sketch:<run>/<step>/<attempt>` is the mark; whoever takes it away draws, so over any number of bots it is drawn once.
  Who dies while drawing loses a picture, and nothing else.
- What Prometheus or the chat cannot now is tried three times in all; what cannot be drawn is not tried again.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from handlers import steps
from handlers.core.alerts.plots import Gallery, Plotter
from handlers.core.ports import Clock, State
from handlers.core.runbooks.attempts import Attempt
from handlers.core.runbooks.run_cards import picture_words
from handlers.core.runbooks.run_records import SKETCH, SKETCH_SECONDS, RunRecords
from handlers.core.runbooks.runbooks import Step
from handlers.core.runbooks.runs import Run
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.performing import parsed

MOST_TRIES = 3
FILE = "step.png"


class Sketches:
    """Draws them, one at a time."""

    def __init__(self, records: RunRecords, state: State, plotter: Plotter, gallery: Gallery, clock: Clock) -> None:
        self._records = records
        self._state = state
        self._plotter = plotter
        self._gallery = gallery
        self._clock = clock

    def round(self) -> bool:
        """Draws the one that is first; whether there was one. Raises Problem when Prometheus or the chat cannot now."""
        for key in self._state.keys(SKETCH):
            held = self._state.get(key)
            if held is None or not self._state.delete_if(key, held.version):
                continue  # another bot draws it
            try:
                self._make(*parsed(key.removeprefix(SKETCH)))
            except Problem as problem:
                tries = int(held.value or b"0") + 1
                if tries < MOST_TRIES and not (isinstance(problem, OutsideError) and problem.permanent):
                    self._state.put_if(key, str(tries).encode(), None, seconds=SKETCH_SECONDS)
                raise
            return True
        return False

    def _make(self, run_id: str, name: str, number: int) -> None:
        run = self._records.load(run_id)
        if run is None or not 0 < number <= len(run.tries(name)):
            return
        step, attempt = run.step(name), run.tries(name)[number - 1]
        drawn = self._drawn(run, step, attempt.ended or self._clock.now())
        if drawn is None:
            return
        file = self._gallery.upload(FILE, drawn, picture_words(step, attempt))
        self._records.change(run_id, lambda each: _pictured(each, name, number, file))

    def _drawn(self, run: Run, step: Step, until: datetime) -> bytes | None:
        """None when there is nothing to draw, or nobody can draw it."""
        try:
            given = steps.filled(step, run.labels)
            bound = given.get("above") or given.get("below")
            return self._plotter.plot(given["query"], step.title, until, None if bound is None else float(bound))
        except Refusal:
            return None
        except OutsideError as error:
            if not error.permanent:
                raise
            return None


def _pictured(run: Run, name: str, number: int, file: str) -> Run:
    tries: list[Attempt] = list(run.tries(name))
    tries[number - 1] = replace(tries[number - 1], picture=file)
    return replace(run, attempts={**run.attempts, name: tuple(tries)})
