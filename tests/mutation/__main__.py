"""`python -m tests.mutation [FILE…]`: changes one thing at a time in a copy of the tree, and sees whether a test fails.

- MUTANTS says how many of each file are tried (default 40, chosen by the file's name, always the same ones; `all`).
- Left out is what changes nothing that runs: annotations, decorators, `is` for `==` of the same objects; and what is no
  Python any more (the `*` of a signature is no product), which any test would notice.
- Printed are the killed share of each file, and every survivor with its line. Exit code 1 below 85 % over all.
"""

from __future__ import annotations

import ast
import itertools
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome, WorkerOutcome, WorkItem, WorkResult

from tests.mutation.targets import TARGETS, Target

ROOT = Path(__file__).parents[2]
LEAST = 0.85
TIMEOUT_SECONDS = 60
SAME = re.compile(
    r"core/(RemoveDecorator|ReplaceBinaryOperator_BitOr_.*|ReplaceComparisonOperator_"
    r"(Is_Eq|Eq_Is|IsNot_NotEq|NotEq_IsNot))"
)


@dataclass(frozen=True, slots=True)
class Score:
    """What became of one file's mutants."""

    module: str
    killed: int
    survivors: tuple[str, ...]

    @property
    def tried(self) -> int:
        """How many."""
        return self.killed + len(self.survivors)


def main(chosen: list[str]) -> int:
    """The exit code."""
    wanted = [each for each in TARGETS if not chosen or any(name in each.module for name in chosen)]
    scores = []
    with tempfile.TemporaryDirectory(prefix="mutation-") as folder:
        copied(Path(folder))
        for target in wanted:
            score = tried(target, Path(folder))
            scores.append(score)
            print(f"{score.module}: {score.killed} of {score.tried} killed ({share(score.killed, score.tried):.0%})")
            print("".join(f"    survived: {each}\n" for each in score.survivors), end="", flush=True)
    killed, all_tried = sum(each.killed for each in scores), sum(each.tried for each in scores)
    print(f"all: {killed} of {all_tried} killed ({share(killed, all_tried):.1%})")
    return 0 if share(killed, all_tried) >= LEAST else 1


def share(part: int, whole: int) -> float:
    """1 for nothing of nothing."""
    return part / whole if whole else 1.0


def copied(folder: Path) -> None:
    """The tree, so that the one people work in is never changed."""
    for room in ("bot", "handlers", "sandbox", "tests", "docs", "deploy", "runbooks"):
        shutil.copytree(ROOT / room, folder / room, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)


def tried(target: Target, folder: Path) -> Score:
    """Makes the mutants of one file, and tries those that are chosen."""
    words = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *target.tests]
    command = " ".join([*words, *(["-k", f"'{target.chosen}'"] if target.chosen else [])])
    cosmic(folder, "init", configuration(folder, target.module, command), session := folder / "session.sqlite")
    with use_db(str(session), WorkDB.Mode.open) as database:
        counted = chosen_of(list(database.pending_work_items), folder / target.module)
        for item in list(database.pending_work_items):
            if item.job_id not in counted:
                database.set_result(item.job_id, WorkResult(WorkerOutcome.SKIPPED))
    cosmic(folder, "exec", folder / "mutation.toml", session)
    with use_db(str(session), WorkDB.Mode.open) as database:
        items = {item.job_id: item for item in database.work_items}
        results = {job: result for job, result in database.results if job in counted}
    session.unlink()
    alive = [items[job] for job, result in results.items() if result.test_outcome == TestOutcome.SURVIVED]
    text = (folder / target.module).read_text().splitlines()
    return Score(target.module, len(results) - len(alive), tuple(sorted(told(each, text) for each in alive)))


def configuration(folder: Path, module: str, command: str) -> Path:
    """As cosmic-ray reads it."""
    path = folder / "mutation.toml"
    path.write_text(
        f'[cosmic-ray]\nmodule-path = "{module}"\ntimeout = {TIMEOUT_SECONDS}\nexcluded-modules = []\n'
        f'test-command = "{command}"\n[cosmic-ray.distributor]\nname = "local"\n'
    )
    return path


def cosmic(folder: Path, what: str, *words: Path) -> None:
    """Runs cosmic-ray."""
    program = Path(sys.executable).with_name("cosmic-ray")
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([str(program), what, *map(str, words)], cwd=folder, env=environment, check=True)


def chosen_of(items: list[WorkItem], path: Path) -> set[str]:
    """The ids of those to be tried."""
    quiet = annotated(path)
    able = [item for item in items if not SAME.fullmatch(item.mutations[0].operator_name)]
    able = sorted((item for item in able if item.mutations[0].start_pos[0] not in quiet), key=_place)
    wanted = os.environ.get("MUTANTS", "40")
    mixed = random.Random(path.name).sample(able, len(able))
    code = path.read_text()
    meant = (item for item in mixed if still_python(code, item))
    return {item.job_id for item in itertools.islice(meant, None if wanted == "all" else int(wanted))}


def still_python(code: str, item: WorkItem) -> bool:
    """Whether the changed file can be read at all, and it was no star of a signature that became a slash."""
    spec = item.mutations[0]
    changed = mutate_code(code, get_operator(spec.operator_name)(**spec.operator_args), spec.occurrence)
    try:
        tree = ast.parse(changed or code)
    except SyntaxError:
        return False
    return not any(isinstance(node, ast.arguments) and node.posonlyargs for node in ast.walk(tree))


def _place(item: WorkItem) -> tuple[str, int, str]:
    spec = item.mutations[0]
    return spec.operator_name, spec.occurrence, str(spec.operator_args)


def annotated(path: Path) -> set[int]:
    """Lines that only say types, or decorate: a change there changes nothing that runs."""
    found: set[int] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.AnnAssign(value=None):
                found |= set(range(node.lineno, (node.end_lineno or node.lineno) + 1))
            case ast.FunctionDef() | ast.ClassDef():
                for each in node.decorator_list:
                    found |= set(range(each.lineno, (each.end_lineno or each.lineno) + 1))
    return found


def told(item: WorkItem, text: list[str]) -> str:
    """Where and what."""
    spec = item.mutations[0]
    line = spec.start_pos[0]
    return f"{line:4} {spec.operator_name.removeprefix('core/')} #{spec.occurrence}: {text[line - 1].strip()}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
