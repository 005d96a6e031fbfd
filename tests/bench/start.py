"""How long it takes until the bot is ready, until its command line answers, and what its imports take."""

from __future__ import annotations

import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from sandbox.demo.stage import Stage
from sandbox.servers.bot import Bot
from tests.bench.page import Section
from tests.bench.turns import in_turns

ROUNDS = 7
READY_SECONDS = 2.0
HELP_SECONDS = 0.15
HEAVIEST = 8
HELP, NOTHING, READY = "`negahban --help`", "`python -c pass`", "`negahban run` until ready"
_IMPORT = re.compile(r"import time:\s+(?P<own>\d+) \|\s+(?P<all>\d+) \|(?P<depth>\s+)(?P<name>[\w.]+)$", re.MULTILINE)


def measure(rounds: int = ROUNDS) -> Section:
    """See the module."""
    with Stage(planted=False) as stage:
        given = stage.given
        stage.bot.stop()

        def ready() -> float:
            begun = time.perf_counter()
            with Bot(given):  # entered: both processes said that they are ready
                return time.perf_counter() - begun

        times = in_turns(
            "start", {NOTHING: _ran("-c", "pass"), HELP: _ran("-m", "bot", "--help"), READY: ready}, rounds
        )
    middle = {name: statistics.median(seconds) for name, seconds in times.items()}
    verdicts = (
        "holds" if middle[READY] < READY_SECONDS else "DOES NOT HOLD",
        "holds" if middle[HELP] < HELP_SECONDS else "DOES NOT HOLD",
    )
    imports = ", ".join(f"{name} {milliseconds:.0f} ms" for name, milliseconds in _imports())
    return Section(
        "start",
        "Start",
        f"**`negahban run` is ready after {middle[READY]:.2f} s** (less than {READY_SECONDS:.0f} s: {verdicts[0]}); "
        f"**`negahban --help` answers after {middle[HELP] * 1000:.0f} ms** (less than {HELP_SECONDS * 1000:.0f} ms: "
        f"{verdicts[1]}), {middle[NOTHING] * 1000:.0f} ms of them Python's own.",
        ("what", "median", "least", "most"),
        tuple(
            (name, f"{middle[name]:.3f} s", f"{min(seconds):.3f} s", f"{max(seconds):.3f} s")
            for name, seconds in times.items()
        ),
        f"{rounds} rounds in turns after one to warm up. Ready: the serving process is connected to Slack and the "
        f"worker takes jobs. The heaviest imports of the serving side, each with what it imports: {imports}.",
        times,
    )


def _ran(*words: str) -> Callable[[], float]:
    def run() -> float:
        begun = time.perf_counter()
        subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
        return time.perf_counter() - begun

    return run


def _imports() -> list[tuple[str, float]]:
    """The packages that take longest, in milliseconds."""
    command = [sys.executable, "-X", "importtime", "-c", "import bot.wiring.commands"]
    said = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr
    packages: dict[str, float] = {}
    for found in _IMPORT.finditer(said):
        package = found["name"].split(".")[0]
        if package not in {"bot", "handlers"}:
            packages[package] = max(packages.get(package, 0.0), int(found["all"]) / 1000)
    return sorted(packages.items(), key=lambda each: -each[1])[:HEAVIEST]
