"""How long it takes to verify an audit record of 100,000 entries: by the stranger's script, and by the bot itself."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.adapters.signing import Ed25519Signer, fits
from handlers.core.sealing.examination import Examiner
from handlers.core.sealing.seals import sealed
from handlers.core.words.answers import Actor, PersonId, Surface
from handlers.core.words.audit import GENESIS, AuditEvent, line, record
from tests.bench.page import Section, megabytes

RECORDS, SEAL_EACH, ROUNDS, LIMIT_SECONDS = 100_000, 400, 5, 2.0
SCRIPT = Path(__file__).parents[2] / "docs" / "verify_audit.py"
SIGNER = Ed25519Signer(b"k" * 32)
SARA = Actor(PersonId("U0SARA"), "T0LOCAL", Surface.SLACK)
WORDS = {"words": "latest to staging only orders,users", "channel": "C0123456789"}


def measure() -> Section:
    """See the module."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "audit.jsonl"
        seals = written(path)
        lines = path.read_bytes().splitlines(keepends=True)
        scripts, bots = [script(path) for _ in range(ROUNDS)], [bot(lines) for _ in range(ROUNDS)]
        size = path.stat().st_size
    ways = (("docs/verify_audit.py, a process of its own", scripts), ("the bot's own examination", bots))
    middle = statistics.median(wall for wall, _ in scripts)
    verdict = "holds" if middle < LIMIT_SECONDS else "DOES NOT HOLD"
    rows = tuple(
        (
            name,
            f"{statistics.median(wall for wall, _ in found):.2f}",
            f"{statistics.median(cpu for _, cpu in found):.2f}",
        )
        for name, found in ways
    )
    return Section(
        "audit",
        "The audit record",
        f"**A stranger verifies {RECORDS:,} records in {middle:.2f} s.** The promise, less than {LIMIT_SECONDS:.0f} s, "
        f"{verdict}.",
        ("who", "seconds", "seconds of processor"),
        rows,
        f"{RECORDS:,} records of {megabytes(size)} with {seals} seals, of which the script checks the newest 100; "
        f"medians of {ROUNDS} rounds, in turns with nothing else. The script's time is from its start to its exit.",
    )


def written(path: Path) -> int:
    """A record as the bot writes it, with a seal each so many records; how many seals."""
    head, chain, moment, seals = GENESIS, "", datetime(2026, 11, 24, 3, tzinfo=UTC), 0
    with path.open("wb") as file:
        for number in range(RECORDS):
            moment += timedelta(seconds=1)
            event = AuditEvent("asked", "allow", SARA, "shop", "restore.ask", facts=WORDS)
            if number % SEAL_EACH == SEAL_EACH - 1 or number == RECORDS - 1:
                event, seals = sealed(chain, number, head, moment.isoformat(), SIGNER).event, seals + 1
            entry = record(event, sequence=number, previous=head, moment=moment)
            head = str(entry["hash"])
            chain = chain or head
            file.write(line(entry))
    return seals


def script(path: Path) -> tuple[float, float]:
    """Seconds by the clock, and of processor. Raises RuntimeError when it does not find the record clean."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, "-I", str(SCRIPT), str(path), "--key", SIGNER.public, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode or json.loads(done.stdout)["sealed"] != RECORDS - 1:
        raise RuntimeError(done.stdout + done.stderr)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bot(lines: list[bytes]) -> tuple[float, float]:
    """The same by the bot's examination."""
    began, cpu = time.perf_counter(), time.process_time()
    verdict = Examiner(fits, {SIGNER.public}, None)(lines)
    if verdict.problem or verdict.records != RECORDS:
        raise RuntimeError(verdict.problem)
    return time.perf_counter() - began, time.process_time() - cpu
