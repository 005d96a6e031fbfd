"""`python -m tests.bench [NAME…]`: runs the benches, prints what they find, and writes docs/performance.md.

- Without names: all that together take under twenty minutes on two cores; with `--long` the others too.
- With `--quick` some of them run with less of everything, in about two minutes; then nothing is written.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
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
LONG = frozenset({"memory", "leak", "groups", "scale"})
"""Those that take many minutes each: eight gigabytes, 100,000 events, 10,000 open groups, simulated hours."""
QUICK: dict[str, Callable[[], page.Section]] = {
    "throughput": partial(throughput.measure, megabytes_each=60, rounds=1),
    "start": partial(start.measure, rounds=2),
    "gate": partial(gate.measure, people=100),
    "idle": idle.measure,
}


def main() -> int:
    """Runs the named benches, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(BENCHES)}")
    parser.add_argument("--quick", action="store_true", help=f"less of {', '.join(QUICK)}; writes nothing")
    parser.add_argument("--long", action="store_true", help=f"also {', '.join(sorted(LONG))}")
    given = parser.parse_args()
    benches = QUICK if given.quick else BENCHES
    names: list[str] = given.names or [each for each in benches if given.long or each not in LONG]
    unknown = [name for name in names if name not in benches]
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}; there are {', '.join(benches)}")
    begun = time.monotonic()
    for name in names:
        began = time.monotonic()
        section = benches[name]()
        took = time.monotonic() - began
        print(f"{section.finding}\n{name}: {took:.0f} s\n", flush=True)
        if not given.quick:
            page.write([replace(section, took_seconds=took)], tuple(BENCHES))
    print(f"all of it: {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
