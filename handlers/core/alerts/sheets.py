"""Sheets: the picture of a look at the measures, put into its card when it is there.

- `sheet:<job>` says that a picture is wanted, for ten minutes; `drawing:<job>` who draws it, over all bots.
- The card never waits: a picture is put into the record of a job that has ended, and the relay edits the card.
- What cannot be drawn is said in the card, once; a new look tries anew. A chat that only asks to wait is asked again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from handlers.core.alerts.plots import Gallery, Panel, Sketcher
from handlers.core.door.records import Jobs
from handlers.core.ports import Clock, State
from handlers.core.words.answers import JobId, Surface
from handlers.core.words.errors import OutsideError, Problem
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Text

WANTED, CLAIMED = "sheet:", "drawing:"
WANTED_SECONDS, CLAIM_SECONDS = 600, 60
FILE = "health.png"
PICTURE, WHY_NOT = "picture", "no_picture"


def want(state: State, job: Job) -> None:
    """A picture for this job's card, where it has one in a chat. A picture is a help: no trouble of the state is
    told."""
    if job.plan.actor.surface is Surface.SLACK and job.plan.channel:
        try:
            state.put_if(f"{WANTED}{job.id}", b"", None, seconds=WANTED_SECONDS)
        except OutsideError:
            return


class Sheets:
    """Makes them, one at a time. `panels`: what is drawn, always the same."""

    def __init__(
        self, state: State, sketcher: Sketcher, gallery: Gallery, clock: Clock, panels: Sequence[Panel]
    ) -> None:
        self._state = state
        self._jobs = Jobs(state)
        self._sketcher = sketcher
        self._gallery = gallery
        self._clock = clock
        self._panels = tuple(panels)

    def round(self) -> bool:
        """Makes one that is wanted; whether there was one. Raises Problem when the chat or the state cannot now."""
        for key in self._state.keys(WANTED):
            job = self._jobs.load(JobId(key.removeprefix(WANTED)))
            if (job is None or job.state.final) and self._claimed(key):
                if job is not None and job.outcome is not None:
                    self._make(job)
                self._drop(key)
                return True
        return False

    def _claimed(self, key: str) -> bool:
        claim = f"{CLAIMED}{key.removeprefix(WANTED)}"
        return self._state.put_if(claim, b"", None, seconds=CLAIM_SECONDS) is not None

    def _drop(self, key: str) -> None:
        held = self._state.get(key)
        if held is not None:
            self._state.delete_if(key, held.version)

    def _make(self, job: Job) -> None:
        until = job.ended or self._clock.now()
        try:
            drawn = self._sketcher.sheet(self._panels, until)
        except Problem as problem:
            return self._tell(job, WHY_NOT, str(problem.text))
        alt = Text("Plots of what {target} measured in the hour before {time}", target=Code(job.target), time=until)
        return self._tell(job, PICTURE, self._gallery.upload(FILE, drawn, alt))

    def _tell(self, job: Job, name: str, value: str) -> None:
        def told(newest: Job) -> Job:
            if newest.outcome is None:
                return newest
            return replace(newest, outcome=replace(newest.outcome, facts={**newest.outcome.facts, name: value}))

        self._jobs.change(job.id, told)
