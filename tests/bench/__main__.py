"""`python -m tests.bench [NAME…]`: runs the benches, prints what they find, and writes docs/performance.md.

- Without names: what there is time for in twenty minutes, those first whose figures are the oldest, so that one run
  after the other makes all of them anew; with `--long` every one.
- A name of a family (backup, relay) is all of its benches.
- With `--quick` some of them run with less of everything, in about two minutes; then nothing is written.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from tests.bench import (
    ack,
    arrival,
    audit,
    edge,
    encryption,
    gate,
    groups,
    health,
    idle,
    intake,
    leak,
    memory,
    page,
    replay,
    replicas,
    restore,
    s3,
    scale,
    slow,
    start,
    storm,
    targets,
    throughput,
)

BENCHES: dict[str, Callable[[], page.Section]] = {
    "throughput": throughput.measure,
    "s3": s3.measure,
    "restore": restore.measure,
    "memory": memory.measure,
    "encryption": encryption.measure,
    "idle": idle.measure,
    "leak": leak.measure,
    "start": start.measure,
    "gate": gate.measure,
    "ack": ack.measure,
    "slow": slow.measure,
    "replay": replay.measure,
    "intake": intake.measure,
    "arrival": arrival.measure,
    "groups": groups.measure,
    "storm": storm.measure,
    "scale": scale.measure,
    "replicas": replicas.measure,
    "health": health.measure,
    "targets": targets.measure,
    "edge": edge.measure,
    "audit": audit.measure,
}
FAMILIES = {
    "backup": ("throughput", "s3", "restore", "memory", "encryption", "replay"),
    "relay": ("intake", "arrival", "storm", "groups", "replicas", "scale"),
}
LIMIT_SECONDS = 1200.0
QUICK: dict[str, Callable[[], page.Section]] = {
    "throughput": partial(throughput.measure, megabytes_each=60, rounds=1),
    "start": partial(start.measure, rounds=2),
    "gate": partial(gate.measure, people=100),
    "idle": idle.measure,
}


def fits(took: float, elapsed: float, limit: float = LIMIT_SECONDS) -> bool:
    """Whether a bench that took so long the last time will most likely be over in time."""
    return elapsed + 1.1 * took <= limit


def main() -> int:
    """Runs the named benches, or what there is time for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    known = (*BENCHES, *FAMILIES)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(known)}")
    parser.add_argument("--quick", action="store_true", help=f"less of {', '.join(QUICK)}; writes nothing")
    parser.add_argument("--long", action="store_true", help="every one, however long it takes")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in (QUICK if given.quick else known)]
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}; there are {', '.join(known)}")
    named = [each for name in given.names for each in FAMILIES.get(name, (name,))]
    if given.quick:
        return _run(named or list(QUICK), QUICK, math.inf, keep=False)
    limit = math.inf if named or given.long else LIMIT_SECONDS
    return _run(named or page.oldest_first(tuple(BENCHES)), BENCHES, limit, keep=True)


def _run(names: Sequence[str], benches: Mapping[str, Callable[[], page.Section]], limit: float, *, keep: bool) -> int:
    begun, left = time.monotonic(), list[str]()
    for name in names:
        if not fits(page.took_last(name), time.monotonic() - begun, limit):
            left.append(name)
            continue
        began = time.monotonic()
        section = benches[name]()
        took = time.monotonic() - began
        print(f"{section.finding}\n{name}: {took:.0f} s\n", flush=True)
        if keep:
            page.write([replace(section, took_seconds=took)], tuple(BENCHES))
    print(f"all of it: {time.monotonic() - begun:.0f} s")
    if left:
        print(f"For want of time these were left out, and the next run begins with them: {', '.join(left)}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
