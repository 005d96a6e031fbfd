"""The scorecard: every row of the team's production checklist, with its verdict, its evidence and what to do next.

- A row is judged by findings of the sections, chosen by their names; it establishes nothing itself.
- `all`: every chosen finding must pass. `seen`: each must be known, whether or not it is well: such a row asks that
  something is watched. Nothing chosen is UNKNOWN, with the setting that is missing.
- S5, S6 and S7 are one choice: a store of secrets that a secret is kept in holds for all three, and the row says which.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from handlers.core.formats.evidence import Verdict
from handlers.core.health.findings import Finding, worst
from handlers.core.words.cards import Card, Tone
from handlers.core.words.digests import Json
from handlers.core.words.text import Code, Text

MARKS = {Verdict.PASS: "✓", Verdict.FAIL: "✗", Verdict.UNKNOWN: "?"}
MOST_EVIDENCE = 3
SECTION = "audit"
"""The word that asks for it."""
_STORES = re.compile(r"(?i)\b(vault|aws|secrets manager|kubernetes)\b")

Found = Mapping[str, Sequence[Finding]]


@dataclass(frozen=True, slots=True)
class Row:
    """One of the checklist. `chosen`: pairs of a section and a pattern for the names of its findings."""

    id: str
    what: Text
    chosen: tuple[tuple[str, str], ...]
    then: Text
    mode: Literal["all", "seen", "stored"] = "all"


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with what was found for it."""

    row: Row
    verdict: Verdict
    evidence: tuple[Text, ...]


ROWS = (
    Row("S1", Text("a reverse proxy with a certificate stands before the backend"),
        (("edge", "certificate.*|SSL.*|TLS.*|ciphers"),),
        Text("Set PUBLIC_URL to the address on the proxy; renew, and reload the proxy.")),
    Row("S2", Text("port 443 is the way in, and plain HTTP is redirected to it"), (("edge", "redirect|HTTPS"),),
        Text("Answer port 80 with a redirect to https:// on the same host.")),
    Row("S3", Text("HSTS, X-Frame-Options and a Content-Security-Policy are sent"),
        (("edge", "address|HSTS|framing|Content-Security-Policy"),), Text("Add the headers at the proxy.")),
    Row("S4", Text("ALLOWED_ORIGINS are the origins that get in, and no other"),
        (("edge", "CORS|origin .*|forged origins|preflight.*|forged preflights"),),
        Text("Set ALLOWED_ORIGINS here and in the backend to the same list.")),
    Row("S5", Text("secrets live in Vault"), (("secrets", "secret .*"),),
        Text("Name the secrets in SECRETS_CONFIG, in a store of the kind vault."), "stored"),
    Row("S6", Text("or in AWS Secrets Manager"), (("secrets", "secret .*"),),
        Text("One of S5, S6 and S7 is enough."), "stored"),
    Row("S7", Text("or in Kubernetes Secrets"), (("secrets", "secret .*"),),
        Text("One of S5, S6 and S7 is enough."), "stored"),
    Row("S8", Text(".env is never in version control"), (("readiness", "environment file"),),
        Text("In the service's repository {command} must print nothing.", command=Code("git ls-files | grep -x .env"))),
    Row("S9", Text("secrets are rotated by a policy"), (("secrets", "secret .*"),),
        Text("{command} lists what is too old.", command=Code("/rotate due"))),
    Row("S10", Text("access to secrets leaves a trail"), (("audit", "chain.*"),),
        Text("Look at {command}.", command=Code("/audit verify"))),
    Row("S11", Text("backups are made by mongodump"), (("backups", "newest|damaged copies"),),
        Text("Look at {command}.", command=Code("/backup status"))),
    Row("S12", Text("every night, to storage with Object Lock"), (("backups", "newest|lock|hidden copies"),),
        Text("Use BACKUP_S3_URL with a bucket that has Object Lock.")),
    Row("S13", Text("a restore brings data and indexes back"), (("backups", "last drill"),),
        Text("{command}, and set DRILL_SCHEDULE.", command=Code("/backup drill"))),
    Row("S14", Text("7 daily and 4 weekly copies are kept"), (("backups", "copies|daily copies|weekly copies"),),
        Text("Leave BACKUP_SCHEDULE on; copies fill up by themselves.")),
    Row("S15", Text("checksums are watched"), (("backups", "last scrub|damaged copies"),),
        Text("{command} looks at them now.", command=Code("/backup verify"))),
    Row("S16", Text("the key indicators are measured"), (("metrics", ".*"),),
        Text("Scrape what has no value, or name it in HEALTH_QUERIES."), "seen"),
    Row("S17", Text("Prometheus scrapes the backend, and MongoDB by its exporter"),
        (("metrics", "requests|p95|database|disk free"),),
        Text("deploy/prometheus/prometheus.yml and deploy/grafana show how."), "seen"),
    Row("S18", Text("p95 over 800 ms for 5 minutes wakes somebody"), (("readiness", "rule SlowResponses"),),
        Text("Load deploy/prometheus/rules/service.yml.")),
    Row("S19", Text("5xx over 1 % in 10 minutes wakes somebody"), (("readiness", "rule ServerErrors"),),
        Text("Load deploy/prometheus/rules/service.yml.")),
    Row("S20", Text("a database disk under 15 % free wakes somebody"), (("readiness", "rule DatabaseDiskLow"),),
        Text("Load deploy/prometheus/rules/service.yml.")),
    Row("S21", Text("a failing npm audit or Snyk is told"), (("readiness", "CI reports"),),
        Text("Add the job of deploy/ci to the service's CI.")),
    Row("S22", Text("the first runbook is ready, with its rollback"), (("readiness", "first runbook"),),
        Text("Set ROLLBACK_PLAN_COMMAND and ROLLBACK_COMMAND.")),
    Row("S23", Text("only the needed addresses reach 22, 443 and 27017"), (("edge", "ports|port .*"),),
        Text("Set EDGE_PORTS, and close what should be closed in the firewall.")),
    Row("S24", Text("administrators have a second factor"), (("secrets", "IAM second factor"),),
        Text("Set HEALTH_IAM=yes. What destroys always needs a code here.")),
    Row("S25", Text("what people did is in a record that shows tampering"), (("audit", "chain.*|anchor.*"),),
        Text("Look at {command}; write its last hash down elsewhere.", command=Code("/audit verify"))),
    Row("S26", Text("security updates are made every month"), (("updates", ".*"),),
        Text("{command}, and acknowledge the month's round.", command=Code("/health updates"))),
)  # fmt: skip
PARTS = ("mongo", "metrics", "edge", "secrets", "backups", "audit", "updates", "readiness")


def judged(found: Found) -> tuple[Judged, ...]:
    """Every row."""
    return tuple(_judged(row, found) for row in ROWS)


def _judged(row: Row, found: Found) -> Judged:
    chosen = [each for section, names in row.chosen for each in found.get(section, ()) if _fits(each, section, names)]
    missing = [section for section, _ in row.chosen if not found.get(section)]
    if missing:
        why = Text("Not looked at: {what} is not configured.", what=", ".join(missing))
        return Judged(row, Verdict.UNKNOWN, (why,))
    if not chosen:
        why = Text("Nothing of {section} looks at it as it is configured.", section=row.chosen[0][0])
        return Judged(row, Verdict.UNKNOWN, (why,))
    verdict = worst(chosen)
    if row.mode == "seen" and verdict is Verdict.FAIL:
        verdict = Verdict.UNKNOWN if any(each.verdict is Verdict.UNKNOWN for each in chosen) else Verdict.PASS
    elif row.mode == "stored":
        return _stored(row, chosen)
    order = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PASS)
    shown = sorted(chosen, key=lambda each: order.index(each.verdict))
    telling = [each for each in shown if each.verdict is verdict or row.mode == "seen"] or shown
    return Judged(row, verdict, tuple(each.text for each in telling[:MOST_EVIDENCE]))


def _fits(finding: Finding, section: str, names: str) -> bool:
    """A section that did not answer is one finding with its own name: it stands for all of them."""
    return finding.name == section or re.fullmatch(names, finding.name) is not None


def _stored(row: Row, chosen: Sequence[Finding]) -> Judged:
    known = [each for each in chosen if each.verdict is not Verdict.UNKNOWN]
    kept = [each for each in known if _STORES.search(each.source)]
    if len(kept) == len(chosen):
        where = ", ".join(sorted({each.source for each in kept}))
        return Judged(row, Verdict.PASS, (Text("{count} secrets are kept in {where}.", count=len(kept), where=where),))
    if len(known) < len(chosen):
        return Judged(row, Verdict.UNKNOWN, tuple(each.text for each in chosen if each not in known)[:MOST_EVIDENCE])
    where = ", ".join(sorted({each.source for each in known if each not in kept}))
    text = Text("{count} secrets are kept in {where}.", count=len(known) - len(kept), where=where)
    return Judged(row, Verdict.FAIL, (text,))


def lines(rows: Sequence[Judged]) -> Iterator[Text]:
    """For a card: what holds in one line, everything else with its evidence and what to do."""
    holds = [each.row.id for each in rows if each.verdict is Verdict.PASS]
    if holds:
        yield Text("✓ {rows} hold", rows=" ".join(holds))
    for verdict in (Verdict.FAIL, Verdict.UNKNOWN):
        for each in rows:
            if each.verdict is verdict:
                yield Text("{mark} *{id}* {what}: {why} {then}", mark=MARKS[verdict], id=each.row.id,
                           what=each.row.what, why=each.evidence[0], then=each.row.then)  # fmt: skip


def card(target: str, rows: Sequence[Judged], since: str, changed: Sequence[str], *, brief: bool) -> Card:
    """`since`: the day of the look that `changed` is compared with, empty for none; `brief`: only what changed."""
    holds = sum(1 for each in rows if each.verdict is Verdict.PASS)
    tone = {Verdict.PASS: Tone.GOOD, Verdict.FAIL: Tone.BAD, Verdict.UNKNOWN: Tone.UNKNOWN}[worst_of(rows)]
    told = [Text("Nothing changed since {day}.", day=since)] if since and not changed else []
    if since and changed:
        told = [Text("Since {day}: {changes}", day=since, changes="; ".join(changed))]
    title = Text("Readiness of {target}: {holds} of {all} hold", target=Code(target), holds=holds, all=len(rows))
    return Card(title, tone, tuple(told) if brief and told else (*lines(rows), *told))


def worst_of(rows: Sequence[Judged]) -> Verdict:
    """FAIL before UNKNOWN before PASS."""
    found = {each.verdict for each in rows}
    if Verdict.FAIL in found:
        return Verdict.FAIL
    return Verdict.PASS if found == {Verdict.PASS} else Verdict.UNKNOWN


def verdicts(rows: Sequence[Judged]) -> dict[str, str]:
    """For keeping."""
    return {each.row.id: each.verdict.value for each in rows}


def changes(before: Mapping[str, Any], rows: Sequence[Judged]) -> tuple[str, ...]:
    """What is otherwise than it was."""
    now = verdicts(rows)
    return tuple(f"{id_}: {before[id_]} → {now[id_]}" for id_ in now if id_ in before and before[id_] != now[id_])


def markdown(target: str, at: str, rows: Sequence[Judged]) -> str:
    """The whole of it, for a file."""
    count = sum(1 for each in rows if each.verdict is Verdict.PASS)
    head = [f"# Production readiness of {target}", "", f"{count} of {len(rows)} hold · {at}", ""]
    table = ["| row | verdict | what | evidence | what to do next |", "|---|---|---|---|---|"]
    for each in rows:
        then = "" if each.verdict is Verdict.PASS else str(each.row.then)
        cells = (each.row.id, each.verdict.value.upper(), str(each.row.what), " ".join(map(str, each.evidence)), then)
        table.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join([*head, *table, ""])


def _cell(words: str) -> str:
    return re.sub(r"\s+", " ", words).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")


def as_json(rows: Sequence[Judged]) -> list[Json]:
    """The rows, for programs."""
    return [
        {
            "row": each.row.id,
            "what": str(each.row.what),
            "verdict": each.verdict.value,
            "evidence": [str(text) for text in each.evidence],
            "next": "" if each.verdict is Verdict.PASS else str(each.row.then),
        }
        for each in rows
    ]
