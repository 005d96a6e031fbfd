"""docs/health-checks.md: what each check says when it passes, fails and cannot tell, and the tests that saw it.

`python -m tests.health_page` writes it from what the tests saw last (tests/verdicts.py, `build/verdicts.json`);
`python -m tests.health_page --check` fails when a check is not listed here, or no test has seen one of its verdicts.
`make test` does that after all its tests.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.verdicts import KEPT, VERDICTS, Seen

PAGE = Path("docs/health-checks.md")
MOST_SENTENCES = 3
EXAMINER = "bot.examining"


@dataclass(frozen=True, slots=True)
class Row:
    """A check. `names`: a pattern of its findings' names; `instead`: why a verdict is none of its own."""

    section: str
    module: str
    title: str
    names: str
    instead: Mapping[str, str] = field(default_factory=dict)


def _no(**instead: str) -> Mapping[str, str]:
    return instead


ASKED = _no(unknown="MongoDB could not be asked: `replica set`")
ANSWERED = _no(unknown="nothing answered: `address`")
STORED = _no(unknown="the store could not be asked: one UNKNOWN for the section")
ROWS = (
    Row("mongo", "mongo", "replica set", "replica set", _no(passed="`primary` and the members", failed="`primary`")),
    Row("mongo", "mongo", "server", "server", _no(passed="the lines below", failed="the lines below")),
    Row("mongo", "mongo", "primary", "primary", ASKED),
    Row("mongo", "mongo", "member NAME", "member .+", {**ASKED, "passed": "`lag of NAME`"}),
    Row("mongo", "mongo", "lag of NAME", "lag of .+"),
    Row("mongo", "mongo", "oplog window", "oplog window"),
    Row("mongo", "mongo", "index builds", "index builds"),
    Row("mongo", "mongo", "slow operations", "slow operations"),
    Row("mongo", "mongo", "connections", "connections"),
    Row("mongo", "mongo", "version", "version", _no(passed="`updates` judges it", unknown="`updates` judges it")),
    Row("mongo", "mongo", "authentication", "authentication"),
    Row("mongo", "mongo", "TLS", "TLS"),
    Row("mongo", "mongo", "passwords", "passwords"),
    Row("mongo", "mongo", "disk", "disk"),
    Row("mongo", "storage", "cache, dirty cache", "cache|dirty cache"),
    Row("mongo", "storage", "read and write tickets", "(read|write) tickets"),
    Row("mongo", "growth", "growth", "growth"),
    Row("mongo", "growth", "elections", "elections"),
    Row("metrics", "metrics", "each measure", ".+"),
    Row("edge", "edge", "address", "address", _no(passed="every line below")),
    Row("edge", "edge", "HTTPS", "HTTPS", _no(passed="`redirect`, `HSTS` and the certificate", **ANSWERED)),
    Row("edge", "edge", "redirect", "redirect"),
    Row("edge", "edge", "HSTS", "HSTS", ANSWERED),
    Row("edge", "edge", "Content-Security-Policy", "Content-Security-Policy", ANSWERED),
    Row("edge", "edge", "framing", "framing", ANSWERED),
    Row("edge", "edge", "X-Content-Type-Options", "X-Content-Type-Options", ANSWERED),
    Row("edge", "edge", "cookie NAME", "cookie .+", ANSWERED),
    Row("edge", "edge", "banner HEADER", "banner .+", {**ANSWERED, "passed": "nothing to say"}),
    Row("edge", "certificates", "certificate at ADDRESS", r"certificate at .+"),
    Row("edge", "certificates", "certificate loaded at ADDRESS", r"certificate loaded at .+"),
    Row("edge", "certificates", "certificate file", "certificate file",
        _no(passed="`certificate loaded`", failed="`certificate loaded`")),
    Row("edge", "transport", "SSLv3, TLSv1, TLSv1.1", r"SSLv3|TLSv1|TLSv1\.1"),
    Row("edge", "transport", "ciphers", "ciphers"),
    Row("edge", "transport", "forward secrecy", "forward secrecy", _no(unknown="`ciphers`")),
    Row("edge", "transport", "ciphers of TLS 1.3", r"ciphers of TLS 1\.3"),
    Row("edge", "transport", "port NUMBER", "port .+"),
    Row("edge", "origins", "origin ORIGIN", "origin .+"),
    Row("edge", "origins", "preflight of ORIGIN", "preflight of .+"),
    Row("edge", "origins", "forged origins, forged preflights", "forged (origins|preflights)"),
    Row("secrets", "secrets", "secret NAME", "secret .+"),
    Row("secrets", "secrets", "replicas CONSUMER, NAME", "replicas .+"),
    Row("secrets", "secrets", "token for STORE", "token for .+"),
    Row("secrets", "secrets", "IAM", "IAM", _no(passed="the three below", failed="the three below")),
    Row("secrets", "secrets", "IAM second factor", "IAM second factor"),
    Row("secrets", "secrets", "IAM key age", "IAM key age"),
    Row("secrets", "secrets", "IAM root keys", "IAM root keys", _no(passed="nothing to say", unknown="`IAM`")),
    Row("backups", "backups", "newest", "newest", STORED),
    Row("backups", "backups", "copies", "copies", {**STORED, "failed": "`daily copies`, `damaged copies`"}),
    Row("backups", "backups", "damaged copies", "damaged copies", {**STORED, "passed": "nothing to say"}),
    Row("backups", "backups", "hidden copies", "hidden copies", {**STORED, "passed": "nothing to say"}),
    Row("backups", "backups", "daily and weekly copies", "(daily|weekly) copies"),
    Row("backups", "backups", "last scrub, last drill", "last (scrub|drill)"),
    Row("backups", "backups", "last moment", "last moment"),
    Row("backups", "backups", "lock", "lock", STORED),
    Row("backups", "backups", "next run", "next run", _no(unknown="it is a setting of the bot itself")),
    Row("updates", "updates", "monthly round", "monthly round"),
    Row("updates", "updates", "pending updates", "pending updates"),
    Row("updates", "updates", "reboot", "reboot"),
    Row("updates", "lifecycles", "PRODUCT version", "(node|electron|mongodb) version"),
    Row("updates", "updates", "mongodb version", "mongodb version",
        _no(passed="as `PRODUCT version`", failed="as `PRODUCT version`")),
    Row("audit", "record", "chain", "chain"),
    Row("audit", "record", "anchor seal, copy, channel", "anchor (seal|copy|channel)"),
    Row("audit", "readiness", "rule NAME", "rule .+"),
    Row("audit", "readiness", "CI reports", "CI reports"),
    Row("audit", "readiness", "first runbook", "first runbook", _no(unknown="its files can be read or not")),
    Row("audit", "readiness", "environment file", "environment file",
        _no(passed="nobody can see it from here", failed="nobody can see it from here")),
)  # fmt: skip


@dataclass(slots=True)
class Told:
    """What was said with one verdict, with which limits, and the tests that saw it."""

    sentences: set[str] = field(default_factory=set)
    limits: set[str] = field(default_factory=set)
    tests: set[str] = field(default_factory=set)


def seen_of(row: Row, seen: Sequence[Seen]) -> dict[str, Told]:
    """By verdict. The examiner speaks for a check that hung or broke."""
    found = {verdict: Told() for verdict in VERDICTS}
    for module, name, verdict, said, limit, test in seen:
        if module in {f"handlers.checks.{row.module}", EXAMINER} and re.fullmatch(row.names, name):
            if module == EXAMINER and (row.names == ".+" or name in {"TLS", "IAM"}):
                continue  # the names of its own tests, and sections of one check
            told = found[verdict]
            told.sentences.add(said)
            told.tests.add(test)
            told.limits |= {limit} if limit else set()
    return found


def problems(seen: Sequence[Seen]) -> Iterator[str]:
    """What is not as the page says."""
    for module, name in sorted({each[:2] for each in seen}):
        rows = [row for row in ROWS if f"handlers.checks.{row.module}" == module and re.fullmatch(row.names, name)]
        if module.startswith("handlers.checks.") and len(rows) != 1:
            yield f"{module}: {name!r} is in {len(rows)} rows of tests/health_page.py"
    for row in ROWS:
        for verdict, told in seen_of(row, seen).items():
            if not told.tests and verdict not in row.instead:
                yield f"{row.section}: no test has seen {row.title} {verdict}"


def _said(row: Row, verdict: str, sentences: set[str]) -> str:
    if not sentences:
        return f"– ({row.instead.get(verdict, 'never')})"
    chosen = sorted(sentences, key=lambda each: (len(each), each))[:MOST_SENTENCES]
    return "<br>".join(re.sub(r"\{(\w+)\}", r"*\1*", each.replace("|", "\\|")) for each in chosen)


def _limit(found: Mapping[str, Told]) -> str:
    """Where it is always the same."""
    limits = found["failed"].limits
    return min(limits).replace("|", "\\|") if len(limits) == 1 else ""


def _shown(tests: set[str], breadth: Counter[str]) -> str:
    """The one that is about little else."""
    best = sorted(tests, key=lambda each: (each.startswith("tests/handlers/"), breadth[each], each))[:1]
    return f"`{best[0].removeprefix('tests/')}`" if best else "–"


def page(seen: Sequence[Seen]) -> str:
    """The page."""
    lines = [
        "# Health checks",
        "",
        "What `/health` looks at, by section, and what it says: PASS, FAIL, or UNKNOWN, which means that it could not",
        "be established and is never green. The words in italics are filled in. A check that does not answer in its",
        "time is one UNKNOWN, and the others are not kept waiting.",
        "",
    ]
    for section in dict.fromkeys(row.section for row in ROWS):
        lines += [f"## /health {section}", "", "| check | PASS | FAIL | UNKNOWN | limit |", "|---|---|---|---|---|"]
        for row in (row for row in ROWS if row.section == section):
            found = seen_of(row, seen)
            cells = " | ".join(_said(row, each, found[each].sentences) for each in VERDICTS)
            lines.append(f"| {row.title} | {cells} | {_limit(found)} |")
        lines.append("")
    lines += ["## Shown by", "", "One test that saw each verdict, with the real system where there is one. `make test`",
              "fails when no test has seen a check pass, fail or remain unknown.", "",
              "| check | PASS | FAIL | UNKNOWN |", "|---|---|---|---|"]  # fmt: skip
    breadth = Counter(test for *_, test in {(module, name, verdict, test) for module, name, verdict, *_, test in seen})
    for row in ROWS:
        found = seen_of(row, seen)
        cells = " | ".join(_shown(found[each].tests, breadth) for each in VERDICTS)
        lines.append(f"| {row.section}: {row.title} | {cells} |")
    return "\n".join(lines) + "\n"


def main(words: Sequence[str]) -> int:
    """The exit code."""
    noted: Any = json.loads(KEPT.read_text())
    seen: list[Seen] = [tuple(each) for each in noted]
    found = list(problems(seen))
    print(*found, sep="\n")
    if "--check" not in words:
        PAGE.write_text(page(seen))
        print(f"{PAGE}: {len(ROWS)} checks")
    elif found:
        print("the page docs/health-checks.md claims more than the tests saw")
    else:
        print(f"health checks: every verdict of {len(ROWS)} was seen, or its place is named")
    return 1 if found and "--check" in words else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
