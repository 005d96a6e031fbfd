"""/health: everything about a target in one card within eight seconds, whatever hangs.

- `/health [all|mongo|metrics|edge|secrets|backups|updates|audit] [target]`; without a word, all that is configured.
- The checks run side by side, each with its own deadline; what does not come back is UNKNOWN and delays nobody.
- `/health audit` is the scorecard: every row of the checklist, by all sections and `readiness`; the section `audit` of
  `/health` is the audit record, which the scorecard holds as a row. The schedule asks for it once a week, and then the
  card says what changed since the week before.
- UNKNOWN is never green: the title counts what failed and what is not known, and the tone is the worst of all.
- Looks at different sections go on side by side.
- A look at the metrics gets a picture of the hour before it, which its card does not wait for (`sheets`).
- What changed since the last look is said; a button opens a section with everything in it.
- `/health compare [section]` looks, and says what is otherwise than about an hour ago (`comparison`).
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from handlers import updates
from handlers.checks import comparison, scorecard, telling
from handlers.checks.comparison import AGAINST
from handlers.checks.printed import read_found
from handlers.checks.telling import Found
from handlers.core.alerts import sheets
from handlers.core.backups.targets import named
from handlers.core.door.policy import Permission
from handlers.core.door.work import Work
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding, worst
from handlers.core.health.memory import AGO, Look, LookBook, seen
from handlers.core.health.vitals import Check, Examiner
from handlers.core.ports import Clock, State, Target
from handlers.core.words.answers import Draft, Invocation, Reply, Start, Surface, TargetName
from handlers.core.words.cards import Button, Card, Tone
from handlers.core.words.digests import Json
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.jobs import Job, JobState, Outcome
from handlers.core.words.text import Code, Seconds, Text

LOOK, LANE = "health.look", "health"
MEASURED, SCORECARD = "metrics", scorecard.SECTION
SECONDS = 6.0
KEEP_SECONDS = 30 * 86_400
SECTIONS = ("mongo", "metrics", "edge", "secrets", "backups", "updates", "audit")
PARTS = tuple(each for each in SECTIONS if each != SCORECARD)
THEN = "metrics, then"

Earlier = Callable[[datetime], Check]
"""The check of a section as it was at that moment."""


class HealthHandler:
    """See the module. `checks`: by section, those that are configured; `measured_then`: the metrics of an
    earlier moment."""

    permissions: Mapping[str, Permission] = {"read": Permission.READ, LOOK: Permission.READ}

    def __init__(
        self,
        targets: Mapping[TargetName, Target],
        checks: Mapping[str, Check],
        examiner: Examiner,
        state: State,
        clock: Clock,
        readiness: Check | None = None,
        measured_then: Earlier | None = None,
    ) -> None:
        self._targets = targets
        self._checks = checks
        self._examiner = examiner
        self._state = state
        self._clock = clock
        self._readiness = readiness
        self._measured_then = measured_then
        self._memory = LookBook(state)

    def ask(self, invocation: Invocation) -> Reply | Start:
        """See Handler."""
        against = invocation.words[:1] == (comparison.WORD,)
        words = invocation.words[1:] if against else invocation.words
        match words:
            case ("help",):
                return Reply(self._help())
            case (section, *rest) if section == "all" or section in SECTIONS:
                pass
            case _:
                section, rest = "all", list(words)
        target = named(self._targets, rest)
        if section not in {"all", SCORECARD, *self._checks}:
            raise Refusal(Text("{section} is not configured here: {how}", section=section, how=_MISSING[section]))
        if against:
            wanted: dict[str, Json] = {"section": section, AGAINST: "hour"}
            return Start(Draft(LOOK, target, wanted, lane=f"{LANE}-{comparison.WORD}-{section}"))
        return Start(Draft(LOOK, target, {"section": section}, lane=f"{LANE}-{section}"))

    def _help(self) -> Card:
        return Card(
            Text("/health looks at everything, and says what it could not see"),
            lines=(
                Text(
                    "`/health` looks at all sections; `/health mongo` at one: {known}.",
                    known=", ".join(each for each in SECTIONS if each != SCORECARD),
                ),
                Text("`/health audit` is the scorecard of the whole checklist; the audit record itself: `/audit`."),
                Text("`/health compare [section]` says what is otherwise than about an hour ago."),
                Text("✓ is as it should be, ✗ is not, ? could not be found out, which is never green."),
            ),
        )

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        job = work.job
        section, against = str(job.plan.arguments["section"]), AGAINST in job.plan.arguments
        began, then = self._clock.monotonic(), self._clock.now() - AGO
        checks = dict(self._chosen(section, whole=not against))
        if against and MEASURED in checks and self._measured_then is not None:
            checks[THEN] = self._measured_then(then)
        found = dict(self._examiner.examine(checks, job.target, SECONDS))
        measured = found.pop(THEN, ())
        if section == MEASURED and not against and _known(found[section]):
            sheets.want(self._state, job)
        changes = self._compared(work, found)
        facts: dict[str, Json] = {
            "found": {name: [each.to_json() for each in findings] for name, findings in found.items()},
            "changes": list(changes),
            "milliseconds": round((self._clock.monotonic() - began) * 1000),
            "verdict": worst(each for findings in found.values() for each in findings).value,
        }
        if against:
            facts[AGAINST] = self._against(job.target, found, Look(then, seen(measured) if _known(measured) else {}))
        elif section == SCORECARD:
            weekly = job.plan.actor.surface is Surface.SCHEDULE
            rows = scorecard.judged(found)
            facts["since"], facts["changes"] = self._since(job.target, rows, keep=weekly)
            facts["verdict"] = scorecard.worst_of(rows).value
        with contextlib.suppress(OutsideError):
            self._memory.note(job.target, {name: found[name] for name in SECTIONS if name in found}, self._clock.now())
        return Outcome(JobState.DONE, Text("Looked."), facts)

    def _against(self, target: TargetName, found: Found, measured: Look) -> Json:
        try:
            before = dict(self._memory.around(target, measured.at))
        except OutsideError:
            before = {}
        if measured.seen:
            before[MEASURED] = measured
        return {name: each.to_json() for name, each in comparison.compared(before, found).items()}

    def _chosen(self, section: str, *, whole: bool) -> Mapping[str, Check]:
        """`whole`: the word audit asks for the scorecard, and not for its section."""
        if section == "all":
            return self._checks
        if section != SCORECARD or not whole:
            return {section: self._checks[section]}
        return {**self._checks, **({} if self._readiness is None else {"readiness": self._readiness})}

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler: a look changes nothing."""
        state = JobState.INTERRUPTED if reason is None else JobState.FAILED
        return Outcome(state, reason or Text("The worker died while it looked. Ask again."), {})

    def lost(self) -> tuple[Job, ...]:
        """See Handler: a look leaves nothing behind."""
        return ()

    def _compared(self, work: Work, found: Found) -> tuple[str, ...]:
        """What is otherwise than at the last look, which is recorded; the new one is kept. Raises OutsideError."""
        verdicts = {f"{section}: {each.name}": each.verdict.value for section, all_ in found.items() for each in all_}
        key = f"health:{work.job.target}"
        try:
            held = self._state.get(key)
            known = {} if held is None else json.loads(held.value)
            before = known.get("verdicts", {})
        except (OutsideError, ValueError):
            return ()
        changes = tuple(
            f"{name}: {before[name]} → {verdict}"
            for name, verdict in verdicts.items()
            if name in before and before[name] != verdict
        )
        if changes:
            work.record("posture.changed", changes=list(changes))
        with contextlib.suppress(OutsideError):
            kept = {name: verdict for name, verdict in before.items() if name.partition(":")[0] not in found}
            value = json.dumps({"at": self._clock.now().isoformat(), "verdicts": {**kept, **verdicts}}).encode()
            self._state.put_if(key, value, None if held is None else held.version, seconds=KEEP_SECONDS)
        return changes

    def _since(self, target: TargetName, rows: Sequence[scorecard.Judged], *, keep: bool) -> tuple[str, list[Json]]:
        """The day of the kept scorecard and what is otherwise now; a weekly one, and the first, is kept."""
        try:
            held = self._state.get(f"scorecard:{target}")
            before = {} if held is None else json.loads(held.value)
            if keep or held is None:
                kept = {"at": self._clock.now().isoformat(), "rows": scorecard.verdicts(rows)}
                version = None if held is None else held.version
                self._state.put_if(f"scorecard:{target}", json.dumps(kept).encode(), version, seconds=KEEP_SECONDS)
        except (OutsideError, ValueError):
            return "", []
        return str(before.get("at", ""))[:10], list(scorecard.changes(before.get("rows", {}), rows))

    def describe(self, job: Job) -> Card:
        """See Handler."""
        if job.plan.operation == updates.TASK:
            return updates.task_card(job)
        section = str(job.plan.arguments["section"])
        subject = Text("Health of {target}", target=Code(job.target))
        if job.outcome is None or "found" not in job.outcome.facts:
            return self._pending(job, subject)
        found = read_found(job.outcome.facts["found"])
        if AGAINST in job.plan.arguments:
            return self._comparison(job, section, found)
        if section == SCORECARD:
            return self._scorecard(job, found)
        everything = [each for findings in found.values() for each in findings]
        facts = job.outcome.facts
        return Card(
            title=telling.title(subject, everything),
            tone=telling.tone(everything),
            lines=(
                *telling.lines(found, whole=section != "all"),
                *telling.changes(facts.get("changes")),
                *telling.no_picture(facts.get(sheets.WHY_NOT)),
            ),
            buttons=tuple(self._buttons(section, job)),
            footer=self._footer(job),
            picture=telling.picture(job),
        )

    def _comparison(self, job: Job, section: str, found: Found) -> Card:
        facts = {} if job.outcome is None else job.outcome.facts
        given = comparison.read(facts.get(AGAINST))
        known = any(each.at is not None for each in given.values())
        return Card(
            comparison.title(Text("Health of {target}", target=Code(job.target)), given),
            telling.tone(each for findings in found.values() for each in findings) if known else Tone.UNKNOWN,
            tuple(comparison.lines(given, found)),
            buttons=(
                Button(f"health_{section}", Text("Look again"), job.target),
                Button(f"health_{comparison.WORD}", Text("Compare again"), f"{section} {job.target}"),
            ),
            footer=self._footer(job),
        )

    def _scorecard(self, job: Job, found: Found) -> Card:
        facts = {} if job.outcome is None else job.outcome.facts
        given = facts.get("changes")
        changed = [str(each) for each in given] if isinstance(given, list) else []
        brief = job.plan.actor.surface is Surface.SCHEDULE
        card = scorecard.card(job.target, scorecard.judged(found), str(facts.get("since", "")), changed, brief=brief)
        again = Text("The whole scorecard") if brief else Text("Look again")
        buttons = (Button("health_all", Text("Everything"), job.target), Button("health_audit", again, job.target))
        return replace(card, buttons=buttons, footer=self._footer(job))

    def _pending(self, job: Job, subject: Text) -> Card:
        if job.outcome is None:
            return Card(Text("{subject}: looking…", subject=subject), Tone.WORKING)
        return Card(Text("{subject}: not known", subject=subject), Tone.UNKNOWN, lines=(job.outcome.text,))

    def _buttons(self, section: str, job: Job) -> Iterable[Button]:
        if section == "all":
            for name in self._checks:
                yield Button(f"health_{name}", Text("{name}", name=name), job.target)
        else:
            yield Button("health_all", Text("Everything"), job.target)
        if section == "updates":
            yield Button(updates.DONE, Text("This month's are made"), job.target)
        yield Button(f"health_{section}", Text("Look again"), job.target)
        yield Button(f"health_{comparison.WORD}", Text("Compare with an hour ago"), f"{section} {job.target}")

    def _footer(self, job: Job) -> Text:
        took = job.outcome.facts.get("milliseconds", 0) if job.outcome is not None else 0
        absent = [name for name in SECTIONS if name not in self._checks]
        said = Text("looked in {took} · {at}", took=Seconds(int(str(took)) / 1000), at=job.ended or job.created)
        if absent:
            return Text("{said} · not configured: {absent}", said=said, absent=", ".join(absent))
        return said


_MISSING = {
    "mongo": Text("set MONGODB_URI"),
    "metrics": Text("set PROMETHEUS_URL"),
    "edge": Text("set PUBLIC_URL"),
    "secrets": Text("set SECRETS_CONFIG, or HEALTH_IAM=yes"),
    "updates": Text("nothing is missing; ask again"),
    "backups": Text("set BACKUP_DIR or BACKUP_S3_URL"),
    "audit": Text("set AUDIT_FILE"),
}


def _known(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(each for each in findings if each.verdict is not Verdict.UNKNOWN)
