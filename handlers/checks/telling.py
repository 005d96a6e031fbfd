"""The telling of a look: its title, its lines by section, and its picture.

- What is wrong comes first; what is well is counted, or listed in a section of its own, which names whose word it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from handlers.checks.scorecard import MARKS
from handlers.core.alerts import sheets
from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding, worst
from handlers.core.words.cards import Picture, Tone
from handlers.core.words.jobs import Job
from handlers.core.words.text import Code, Text

SHOWN = 12
ORDER = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS)

Found = Mapping[str, tuple[Finding, ...]]


def tone(findings: Iterable[Finding]) -> Tone:
    """The worst of all."""
    return {Verdict.PASS: Tone.GOOD, Verdict.FAIL: Tone.BAD, Verdict.UNKNOWN: Tone.UNKNOWN}[worst(findings)]


def title(subject: Text, findings: Sequence[Finding]) -> Text:
    """Counts what is not well."""
    bad = sum(1 for each in findings if each.verdict is Verdict.FAIL)
    unsure = sum(1 for each in findings if each.verdict is Verdict.UNKNOWN)
    if bad and unsure:
        return Text("{subject}: {bad} wrong, {unsure} not known", subject=subject, bad=bad, unsure=unsure)
    if bad:
        return Text("{subject}: {bad} wrong", subject=subject, bad=bad)
    if unsure or not findings:
        return Text("{subject}: {unsure} not known", subject=subject, unsure=unsure)
    return Text("{subject}: all {count} are well", subject=subject, count=len(findings))


def lines(found: Found, *, whole: bool) -> Iterable[Text]:
    """What is wrong first, by section; what is well is counted, or listed in a section of its own."""
    for section, findings in found.items():
        well = [each for each in findings if each.verdict is Verdict.PASS]
        rest = sorted((each for each in findings if each not in well), key=lambda each: ORDER.index(each.verdict))
        yield Text("*{section}*: {well} of {all} are well", section=section, well=len(well), all=len(findings))
        shown = [*rest, *well] if whole else rest
        yield from (_line(each, whole=whole) for each in (shown if whole else shown[:SHOWN]))
        sources = dict.fromkeys(each.source for each in shown if each.source)
        if whole and sources:
            yield Text("Said by: {sources}", sources="; ".join(sources))
        if not whole and len(shown) > SHOWN:
            yield Text("… and {more} more; press {section}", more=len(shown) - SHOWN, section=section)


def _line(finding: Finding, *, whole: bool) -> Text:
    said = not finding.limit or finding.limit in str(finding.text)
    silent = said or not (whole or finding.verdict is Verdict.FAIL)
    limit = Text("") if silent else Text(" (limit {limit})", limit=finding.limit)
    return Text("{mark} {text}{limit}", mark=MARKS[finding.verdict], text=finding.text, limit=limit)


def changes(stored: object) -> Iterable[Text]:
    """What is otherwise than at the last look, as a job keeps it."""
    if isinstance(stored, list) and stored:
        yield Text("Since the last look: {changes}", changes="; ".join(str(each) for each in stored[:10]))


def no_picture(why: object) -> Iterable[Text]:
    """Why there is none, as a job keeps it."""
    if isinstance(why, str):
        yield Text("There is no picture: {why}", why=why)


def picture(job: Job) -> Picture | None:
    """What was drawn beside it, when it was."""
    file = "" if job.outcome is None else job.outcome.facts.get(sheets.PICTURE)
    if not isinstance(file, str) or not file:
        return None
    time = job.ended or job.created
    return Picture(file, Text("What {target} measured in the hour before {time}", target=Code(job.target), time=time))
