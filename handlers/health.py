"""/health: everything about a target in one card within eight seconds, whatever hangs.

- `/health [all|mongo|metrics|edge|backups|audit] [target]`; without a word, everything that is configured.
- The checks run side by side, each with its own deadline; what does not come back is UNKNOWN and delays nobody.
- UNKNOWN is never green: the title counts what failed and what is not known, and the tone is the worst of all.
- Looks at different sections go on side by side.
- What changed since the last look is said; a button opens a section with everything in it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

from handlers.core.answers import Draft, Invocation, Reply, Start, TargetName
from handlers.core.cards import Button, Card, Tone
from handlers.core.digests import Json
from handlers.core.errors import OutsideError, Refusal
from handlers.core.evidence import Verdict
from handlers.core.findings import Finding, worst
from handlers.core.jobs import Job, JobState, Outcome
from handlers.core.policy import Permission
from handlers.core.ports import Clock, State, Target
from handlers.core.targets import named
from handlers.core.text import Code, Seconds, Text
from handlers.core.vitals import Check, Examiner
from handlers.core.work import Work

LOOK, LANE = "health.look", "health"
SECONDS = 6.0
KEEP_SECONDS = 30 * 86_400
SHOWN = 12
SECTIONS = ("mongo", "metrics", "edge", "backups", "audit")
MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}
ORDER = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS)

Found = Mapping[str, tuple[Finding, ...]]


class HealthHandler:
    """See the module. `checks`: by section, those that are configured."""

    permissions: Mapping[str, Permission] = {"read": Permission.READ, LOOK: Permission.READ}

    def __init__(
        self,
        targets: Mapping[TargetName, Target],
        checks: Mapping[str, Check],
        examiner: Examiner,
        state: State,
        clock: Clock,
    ) -> None:
        self._targets = targets
        self._checks = checks
        self._examiner = examiner
        self._state = state
        self._clock = clock

    def ask(self, invocation: Invocation) -> Reply | Start:
        """See Handler."""
        match invocation.words:
            case ("help",):
                return Reply(self._help())
            case (("all" | "mongo" | "metrics" | "edge" | "backups" | "audit") as section, *rest):
                pass
            case _:
                section, rest = "all", list(invocation.words)
        target = named(self._targets, rest)
        if section != "all" and section not in self._checks:
            raise Refusal(Text("{section} is not configured here: {how}", section=section, how=Text(_MISSING[section])))
        return Start(Draft(LOOK, target, {"section": section}, lane=f"{LANE}-{section}"))

    def _help(self) -> Card:
        return Card(
            Text("/health looks at everything, and says what it could not see"),
            lines=(
                Text("`/health` looks at all sections; `/health mongo` at one: {known}.", known=", ".join(SECTIONS)),
                Text("✓ is as it should be, ✗ is not, ? could not be found out, which is never green."),
            ),
        )

    def run(self, work: Work) -> Outcome:
        """See Handler."""
        job = work.job
        section = str(job.plan.arguments["section"])
        chosen = self._checks if section == "all" else {section: self._checks[section]}
        began = self._clock.monotonic()
        found = self._examiner.examine(chosen, job.target, SECONDS)
        changes = self._compared(job.target, found)
        facts: dict[str, Json] = {
            "found": {name: [each.to_json() for each in findings] for name, findings in found.items()},
            "changes": list(changes),
            "milliseconds": round((self._clock.monotonic() - began) * 1000),
            "verdict": worst(each for findings in found.values() for each in findings).value,
        }
        return Outcome(JobState.DONE, Text("Looked."), facts)

    def recover(self, job: Job, reason: Text | None) -> Outcome:
        """See Handler: a look changes nothing."""
        state = JobState.INTERRUPTED if reason is None else JobState.FAILED
        return Outcome(state, reason or Text("The worker died while it looked. Ask again."), {})

    def lost(self) -> tuple[Job, ...]:
        """See Handler: a look leaves nothing behind."""
        return ()

    def _compared(self, target: TargetName, found: Found) -> tuple[str, ...]:
        """What is otherwise than at the last look; the new one is kept."""
        verdicts = {f"{section}: {each.name}": each.verdict.value for section, all_ in found.items() for each in all_}
        key = f"health:{target}"
        try:
            held = self._state.get(key)
            known = {} if held is None else json.loads(held.value)
            before = known.get("verdicts", {})
            kept = {name: verdict for name, verdict in before.items() if name.partition(":")[0] not in found}
            value = json.dumps({"at": self._clock.now().isoformat(), "verdicts": {**kept, **verdicts}}).encode()
            self._state.put_if(key, value, None if held is None else held.version, seconds=KEEP_SECONDS)
        except (OutsideError, ValueError):
            return ()
        return tuple(
            f"{name}: {before[name]} → {verdict}"
            for name, verdict in verdicts.items()
            if name in before and before[name] != verdict
        )

    def describe(self, job: Job) -> Card:
        """See Handler."""
        section = str(job.plan.arguments["section"])
        subject = Text("Health of {target}", target=Code(job.target))
        if job.outcome is None or "found" not in job.outcome.facts:
            return self._pending(job, subject)
        found = _read(job.outcome.facts["found"])
        everything = [each for findings in found.values() for each in findings]
        verdict = worst(everything)
        return Card(
            title=_title(subject, everything),
            tone={Verdict.PASS: Tone.GOOD, Verdict.FAIL: Tone.BAD, Verdict.UNKNOWN: Tone.UNKNOWN}[verdict],
            lines=tuple(_lines(found, whole=section != "all")) + tuple(_changes(job.outcome.facts.get("changes"))),
            buttons=tuple(self._buttons(section, job)),
            footer=self._footer(job),
        )

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
        yield Button(f"health_{section}", Text("Look again"), job.target)

    def _footer(self, job: Job) -> Text:
        took = job.outcome.facts.get("milliseconds", 0) if job.outcome is not None else 0
        absent = [name for name in SECTIONS if name not in self._checks]
        said = Text("looked in {took} · {at}", took=Seconds(int(str(took)) / 1000), at=job.ended or job.created)
        if absent:
            return Text("{said} · not configured: {absent}", said=said, absent=", ".join(absent))
        return said


_MISSING = {
    "mongo": "set MONGODB_URI",
    "metrics": "set PROMETHEUS_URL",
    "edge": "set PUBLIC_URL",
    "backups": "set BACKUP_DIR or BACKUP_S3_URL",
    "audit": "set AUDIT_FILE",
}


def _read(stored: object) -> Found:
    if not isinstance(stored, Mapping):
        return {}
    known = {str(name): tuple(Finding.from_json(each) for each in findings) for name, findings in stored.items()}
    return {name: known[name] for name in SECTIONS if name in known}


def _title(subject: Text, findings: Sequence[Finding]) -> Text:
    bad = sum(1 for each in findings if each.verdict is Verdict.FAIL)
    unsure = sum(1 for each in findings if each.verdict is Verdict.UNKNOWN)
    if bad and unsure:
        return Text("{subject}: {bad} wrong, {unsure} not known", subject=subject, bad=bad, unsure=unsure)
    if bad:
        return Text("{subject}: {bad} wrong", subject=subject, bad=bad)
    if unsure or not findings:
        return Text("{subject}: {unsure} not known", subject=subject, unsure=unsure)
    return Text("{subject}: all {count} are well", subject=subject, count=len(findings))


def _lines(found: Found, *, whole: bool) -> Iterable[Text]:
    """What is wrong first, by section; what is well is counted, or listed in a section of its own."""
    for section, findings in found.items():
        well = [each for each in findings if each.verdict is Verdict.PASS]
        rest = sorted((each for each in findings if each not in well), key=lambda each: ORDER.index(each.verdict))
        yield Text("*{section}*: {well} of {all} are well", section=section, well=len(well), all=len(findings))
        shown = [*rest, *well] if whole else rest
        yield from (_line(each) for each in (shown if whole else shown[:SHOWN]))
        if not whole and len(shown) > SHOWN:
            yield Text("… and {more} more; press {section}", more=len(shown) - SHOWN, section=section)


def _line(finding: Finding) -> Text:
    limit = (
        Text(" (limit {limit})", limit=finding.limit) if finding.limit and finding.verdict is Verdict.FAIL else Text("")
    )
    return Text("{mark} {text}{limit}", mark=MARKS[finding.verdict], text=finding.text, limit=limit)


def _changes(stored: object) -> Iterable[Text]:
    if isinstance(stored, list) and stored:
        yield Text("Since the last look: {changes}", changes="; ".join(str(each) for each in stored[:10]))
