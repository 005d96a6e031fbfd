"""`python -m tests.bench [NAME…]`: runs the benches, prints what they find, and writes docs/performance.md."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from tests.bench import ack, encryption, idle, intake, memory, page, replay, restore, storm, throughput

BENCHES: dict[str, Callable[[], page.Section]] = {
    "throughput": throughput.measure,
    "restore": restore.measure,
    "memory": memory.measure,
    "encryption": encryption.measure,
    "idle": idle.measure,
    "ack": ack.measure,
    "replay": replay.measure,
    "intake": intake.measure,
    "storm": storm.measure,
}


def main() -> int:
    """Runs the named benches, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"any of: {', '.join(BENCHES)}")
    names: list[str] = parser.parse_args().names or list(BENCHES)
    unknown = [name for name in names if name not in BENCHES]
    if unknown:
        parser.error(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    for name in names:
        section = BENCHES[name]()
        print(f"{section.finding}\n", flush=True)
        page.write([section], tuple(BENCHES))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
