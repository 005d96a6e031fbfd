"""The reference: pages made from the code, so that they cannot be out of date.

- Settings from SETTINGS, the command line from its parser, Slack's commands from the app's manifest, metrics from
  where they are measured, runbooks from their schema.
- A page is a string of Markdown; nothing is written here.
"""

from __future__ import annotations

import argparse
import ast
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from bot.__main__ import _parser
from bot.settings import SETTINGS

ROOT = Path(__file__).parents[2]
MEASURING = ROOT / "bot" / "measuring.py"


def pages() -> dict[str, str]:
    """Every page, by its file name in reference/."""
    return {
        "settings.md": settings(),
        "command-line.md": command_line(),
        "slack.md": slack(),
        "metrics.md": metrics(),
        "runbook-schema.md": runbook_schema(),
    }


def settings() -> str:
    """Each setting: what it means, what it is without."""
    rows = [
        (f"`{each.name}`", each.comment, _code(each.default), _code(each.example), "yes" if each.secret else "")
        for each in SETTINGS
    ]
    text = (
        "Environment variables. Each may also be given as `NAME_FILE`, the path of a file that holds the value; a "
        "secret is best given so. What is wrong is said all at once, by name, and no secret is repeated."
    )
    return _page("Settings", text, _table(("name", "meaning", "default", "for example", "secret"), rows))


def command_line() -> str:
    """Each command with its words and options, as `--help` says them."""
    parts: list[str] = []
    parser = _parser()
    (commands,) = (each for each in parser._actions if isinstance(each, argparse._SubParsersAction))
    said = {choice.dest: choice.help or "" for choice in commands._choices_actions}
    for name, command in commands.choices.items():
        rows = [(_code(_spelled(action)), _cell_help(action)) for action in command._actions if action.dest != "help"]
        parts.append(
            f"## negahban {name}\n\n{said[name].capitalize()}.\n\n{_table(('word', 'meaning'), rows) if rows else ''}"
        )
    return _page("Command line", "`negahban COMMAND`, or `python -m bot COMMAND`.", "\n".join(parts))


def slack() -> str:
    """Each slash command and each scope, by the manifest of the app."""
    manifest: Mapping[str, Any] = yaml.safe_load((ROOT / "deploy" / "slack-manifest.yaml").read_text())
    commands = [
        (_code(each["command"]), each["description"], _code(each.get("usage_hint", "")))
        for each in manifest["features"]["slash_commands"]
    ]
    scopes = [(_code(each),) for each in manifest["oauth_config"]["scopes"]["bot"]]
    body = f"{_table(('command', 'does', 'words'), commands)}\n## Scopes\n\n{_table(('scope',), scopes)}"
    return _page("Commands in Slack", "Every command answers `help`.", body)


def metrics() -> str:
    """Each metric, as bot/measuring.py names it."""
    rows = sorted({(_code(name), meaning, ", ".join(map(_code, labels))) for name, meaning, labels in _measured()})
    return _page(
        "Metrics", "`GET /metrics`. What is not known has no line.", _table(("name", "meaning", "labels"), rows)
    )


def runbook_schema() -> str:
    """The fields of a runbook and of a step."""
    schema: Mapping[str, Any] = json.loads((ROOT / "runbooks" / "schema.json").read_text())
    parts = [f"## A runbook\n\n{_fields(schema)}"]
    parts += [f"## A {name}\n\n{_fields(each)}" for name, each in schema["$defs"].items()]
    return _page("Schema of a runbook", schema["description"], "\n".join(parts))


def _fields(schema: Mapping[str, Any]) -> str:
    needed = set(schema.get("required", ()))
    rows = [
        (_code(name), _kind(each), "yes" if name in needed else "", each.get("description", ""))
        for name, each in schema.get("properties", {}).items()
    ]
    return _table(("field", "is", "needed", "meaning"), rows)


def _kind(schema: Mapping[str, Any]) -> str:
    if "enum" in schema or "const" in schema:
        return " or ".join(_code(str(each)) for each in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type", schema.get("$ref", "").rpartition("/")[2] or "one of several")
    limits = [f"{word} {schema[key]}" for key, word in _LIMITS.items() if key in schema]
    return f"{kind}{' (' + ', '.join(limits) + ')' if limits else ''}"


_LIMITS = {
    "minLength": "at least", "maxLength": "at most", "minimum": "from", "maximum": "to", "minItems": "at least",
    "maxItems": "at most",
}  # fmt: skip


def _measured() -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Every call of Measure and Spread: its name, meaning and labels."""
    tree = ast.parse(MEASURING.read_text())
    known = {
        target.id: node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def plain(node: ast.expr) -> ast.expr:
        return known[node.id] if isinstance(node, ast.Name) and node.id in known else node

    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"Measure", "Spread"}:
            name, meaning, third = (plain(each) for each in node.args[:3])
            labels = third.keys if isinstance(third, ast.Dict) else []
            yield (
                ast.literal_eval(name),
                ast.literal_eval(meaning),
                tuple(ast.literal_eval(each) for each in labels if each),
            )


def _spelled(action: argparse.Action) -> str:
    words = "|".join(action.option_strings) or str(action.metavar or action.dest)
    if action.option_strings and action.nargs != 0:
        words += f" {action.metavar or '|'.join(map(str, action.choices or [action.dest.upper()]))}"
    return words


def _cell_help(action: argparse.Action) -> str:
    choices = f"{', '.join(map(_code, map(str, action.choices)))}: " if action.choices else ""
    return choices + (action.help or "")


def _page(title: str, text: str, body: str) -> str:
    return f"# {title}\n\n{text}\n\n{body}"


def _code(words: str) -> str:
    return f"`{words}`" if words else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(_cell(each) for each in line)} |\n" for line in lines)


def _cell(words: str) -> str:
    return words.replace("|", "\\|").replace("\n", " ")
