"""Runbooks as files: what is wrong with one, which one answers, and that what ships is whole."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bot.adapters import yaml_file
from handlers.core.runbooks import programs
from handlers.core.runbooks.library import Library
from handlers.core.runbooks.run_cards import shown_card
from handlers.core.runbooks.runbooks import Runbook, read
from handlers.core.words.errors import OutsideError, Problem, Refusal
from handlers.core.words.text import Text
from handlers.steps import KINDS, SHAPES

ROOT = Path(__file__).parents[2]
SHIPPED = sorted((ROOT / "runbooks").glob("*.yaml"))
SCHEMA = json.loads((ROOT / "runbooks" / "schema.json").read_text())
STEP: dict[str, Any] = {"name": "a", "kind": "http", "title": "A"}


def runbook(*steps: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"title": "It", "steps": list(steps) or [STEP], **more}


def problems(data: object, name: str = "it") -> tuple[str, ...]:
    return read(name, data, SHAPES)[1]


def loaded(path: Path) -> Runbook:
    found, wrong = read(path.stem, yaml_file.read(path), SHAPES)
    assert found is not None, wrong
    return found


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_runbook_is_right_by_the_lint_and_by_the_schema(path: Path) -> None:
    loaded(path)
    jsonschema.Draft202012Validator(SCHEMA).validate(yaml_file.read(path))


def test_every_shipped_alert_rule_has_a_runbook_that_is_there() -> None:
    named = set()
    for path in (ROOT / "deploy" / "prometheus" / "rules").glob("*.yml"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            named |= {rule["annotations"]["runbook"] for rule in group["rules"]}
    assert named >= {"latency", "errors-5xx", "disk", "bot-down", "quick-triage"}
    assert named | {"ci-audit", "restore-from-backup", "slack-tokens"} == {path.stem for path in SHIPPED}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_labels_that_a_shipped_runbook_needs_are_those_its_rule_gives(path: Path) -> None:
    needed = set(re.findall(r"\$\{(\w+)\}", path.read_text()))
    given = {"latency": {"job"}, "errors-5xx": {"job"}, "disk": {"instance", "mountpoint"}}
    assert needed <= given.get(path.stem, set())


def test_the_schema_knows_the_kinds_and_arguments_of_the_table() -> None:
    step = SCHEMA["$defs"]["step"]
    assert step["properties"]["kind"]["enum"] == list(KINDS)
    for each in step["allOf"]:
        kind, given = each["if"]["properties"]["kind"]["const"], each["then"]["properties"]["with"]
        if kind != "command":
            assert list(given["properties"]) == list(SHAPES[kind].arguments)
        required = [name for name, argument in SHAPES[kind].arguments.items() if argument.required]
        assert given.get("required", []) == required


WRONG = [
    ([], "expected a mapping"),
    ({"title": "x"}, "steps: expected a list"),
    (runbook(color="red"), "`color` is not known"),
    (runbook(title=""), "title: expected a text"),
    (runbook(*[{**STEP, "name": f"s{number}"} for number in range(21)]), "steps: expected a list of 1 to 20"),
    (runbook("x"), "step 1: expected a mapping"),  # type: ignore[arg-type]
    (runbook({**STEP, "name": "A b"}), "name: expected small letters"),
    (runbook(STEP, STEP), "no other step's"),
    (runbook({**STEP, "kind": "shell"}), "kind: expected one of manual"),
    (runbook({**STEP, "run": "x"}), "`run` is not known here"),
    (runbook({**STEP, "on_failure": "ignore"}), "on_failure: expected"),
    (runbook({**STEP, "confirm": "yes"}), "confirm: expected totp"),
    (runbook({**STEP, "kind": "rollback", "confirm": ""}), "confirm: expected totp"),
    (runbook({**STEP, "kind": "manual"}), "text: expected"),
    (runbook({**STEP, "kind": "manual", "text": "x", "confirm": "totp"}), "a code would guard nothing"),
    (runbook({**STEP, "timeout": 0}), "timeout: expected seconds"),
    (runbook({**STEP, "timeout": True}), "timeout: expected seconds"),
    (runbook({**STEP, "with": ["url"]}), "with: expected names and values"),
    (runbook({**STEP, "with": {"body": "x" * 2001}}), "with body: longer than 2000 characters"),
    (runbook({**STEP, "with": {"uri": "x"}}), "`uri` is no argument of it"),
    (runbook({**STEP, "with": {"url": ["x"]}}), "with url: expected an address"),
    (runbook({**STEP, "with": {"url": "file:///etc/passwd"}}), "with url: expected an address"),
    (runbook({**STEP, "with": {"url": "http://user:pass@host/"}}), "with url: expected an address"),
    (runbook({**STEP, "with": {"url": "http://${instance}/"}}), "never in the host"),
    (runbook({**STEP, "with": {"url": "http://a/x${instance}"}}), "whole segment"),
    (runbook({**STEP, "with": {"body": "${a-b}"}}), "no placeholder like"),
    (runbook({**STEP, "kind": "promql"}), "`query` is missing"),
    (runbook({**STEP, "kind": "promql", "with": {"query": "up{a=~\"${x}\"}"}}), "whole label value"),
    (runbook({**STEP, "kind": "promql", "with": {"query": "rate(${x}[5m])"}}), "whole label value"),
    (runbook({**STEP, "kind": "notify", "with": {"text": "x", "channel": "${x}"}}), "no placeholder may stand here"),
    (runbook({**STEP, "kind": "command", "with": {"program": "${x}"}}), "no placeholder may stand here"),
    (runbook({**STEP, "when": "a"}), "when: expected names of earlier steps with verdicts"),
    (runbook({**STEP, "when": {"b": "fail"}}), "b is no earlier step"),
    (runbook(STEP, {**STEP, "name": "b", "when": {"a": "bad"}}), "expected some of pass"),
    (runbook(answers=[{"alertname": "/(/"}]), "neither a word nor a regular expression"),
    (runbook(answers={"alertname": "x"}), "answers: expected a list"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "expected"), WRONG, ids=[expected for _, expected in WRONG])
def test_what_is_wrong_is_said(data: object, expected: str) -> None:
    assert expected in "\n".join(problems(data))


def test_everything_that_is_wrong_is_said_at_once_by_step() -> None:
    said = problems(runbook({**STEP, "timeout": 0}, {**STEP, "name": "b", "kind": "x"}), "Bad Name")
    assert len(said) == 3
    assert said[1].startswith("step 1 (a): timeout")
    assert said[2].startswith("step 2 (b): kind")


def test_another_content_is_another_version_and_the_same_is_the_same() -> None:
    one, same, other = (read("it", runbook({**STEP, "title": title}), SHAPES)[0] for title in ("A", "A", "B"))
    assert one is not None
    assert same is not None
    assert other is not None
    assert one.version == same.version != other.version
    assert Runbook.from_json(json.loads(json.dumps(one.to_json()))) == one


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_show_names_every_step_as_a_person_will_see_it(path: Path) -> None:
    found = loaded(path)
    shown = "\n".join(map(str, shown_card(found).lines))
    assert all(f"{number}. {step.title}" in shown for number, step in enumerate(found.steps, 1))


class Files:
    """A shelf that a test fills."""

    def __init__(self, **files: object) -> None:
        self.files: dict[str, object | Problem] = dict(files)
        self.away = False

    def look(self) -> Mapping[str, object | Problem]:
        if self.away:
            raise OutsideError(Text("The folder is gone."))
        return self.files


def test_a_file_that_became_wrong_leaves_its_last_good_version_in_use_and_is_told() -> None:
    shelf = Files(it=runbook())
    library = Library(shelf, SHAPES)
    good = library.find("it")
    shelf.files["it"] = runbook({**STEP, "kind": "shell"})
    assert library.find("it") == good
    assert "kind" in library.problems()["it"][0]
    shelf.files["it"] = Refusal(Text("it.yaml, line 3: not YAML."))
    assert library.find("it") == good
    assert library.problems()["it"] == ("it.yaml, line 3: not YAML.",)
    shelf.away = True
    assert library.find("it") == good
    shelf.away = False
    del shelf.files["it"]
    with pytest.raises(Refusal):
        library.find("it")
    assert library.problems() == {}


def test_a_file_that_was_never_right_is_not_used_and_says_why() -> None:
    with pytest.raises(Refusal, match="cannot be used"):
        Library(Files(it={}), SHAPES).find("it")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"x": {"run": []}}, "run is a list"),
        ({"x": {"run": ["${a}"], "arguments": {"a": "word"}}}, "no placeholder"),
        ({"x": {"run": ["/bin/x", "a${b}"]}}, "neither a word"),
        ({"x": {"run": ["/bin/x", "${a}"]}}, "different things"),
        ({"x": {"run": ["/bin/x", "${a}"], "arguments": {"a": "text"}}}, "with one of"),
        ({"x": {"run": ["/bin/x"], "shell": True}}, "expected only"),
        ({"x": {"run": ["/bin/x"], "destroys": "no"}}, "x: destroys is yes or no"),
        ({"Remove All": {"run": ["/bin/x"]}}, "Remove All: expected small letters"),
        ([], "expected names"),
    ],
)
def test_programs_that_are_not_right_are_told(data: object, expected: str) -> None:
    assert expected in programs.read(data)[1][0]


PROGRAMS, _ = programs.read(
    {
        "tail": {"run": ["/bin/tail", "${lines}"], "arguments": {"lines": "whole"}},
        "wipe": {"run": ["/bin/wipe"], "destroys": True},
    }
)


@pytest.mark.parametrize(
    ("given", "confirmed", "expected"),
    [
        ({"program": "tail", "lines": "20"}, False, ""),
        ({"program": "tail", "lines": "${count}"}, False, ""),
        ({"program": "tail", "lines": "-n"}, False, "with lines: expected a whole number"),
        ({"program": "tail"}, False, "tail takes lines"),
        ({"program": "tail", "lines": "20", "file": "x"}, False, "tail takes lines"),
        ({"program": "head"}, False, "head is not in RUNBOOK_PROGRAMS"),
        ({"program": "wipe"}, False, "needs `confirm: totp`"),
        ({"program": "wipe"}, True, ""),
        ({"program": "wipe", "all": "x"}, True, "wipe takes no argument"),
    ],
)
def test_the_lint_says_of_a_step_why_its_program_could_not_be_run(
    given: dict[str, str], confirmed: bool, expected: str
) -> None:
    said = programs.unfit(PROGRAMS, given, confirmed=confirmed)
    assert (expected in said) if expected else said == ""
