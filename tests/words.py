"""The bot's words: every template of a `Text` in the source, compared with the translations.

`python -m tests.words` writes places for what is missing into bot/words/*.po, takes out what nothing says any more, and
names both: 1 when something has no translation. Whoever translates fills the places and runs it again.

- Only what is written down can be translated, so the first argument of every `Text(...)` is a constant. The few places
  that build a sentence from another are listed here.
"""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

from bot import languages
from handlers.core.words.tongues import needs_words

ROOT = Path(__file__).parents[1]
# These take a template that was a constant elsewhere.
BUILDERS = {"bot/slack/mrkdwn.py", "handlers/core/words/jobs.py", "handlers/core/words/tongues.py"}


def templates(root: Path = ROOT) -> dict[str, str]:
    """Every template, by where it is said first. Raises ValueError for one that is not a constant."""
    found: dict[str, str] = {}
    for path in sorted([*(root / "handlers").rglob("*.py"), *(root / "bot").rglob("*.py")]):
        place = path.relative_to(root).as_posix()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Text":
                match node.args:
                    case [ast.Constant(str(template))]:
                        if needs_words(template):
                            found.setdefault(template, place)
                    case _ if place not in BUILDERS:
                        raise ValueError(f"{place}:{node.lineno}: the template is not a constant")
    return found


def merged(path: Path, wanted: dict[str, str]) -> tuple[list[str], list[str]]:
    """Writes the file anew: its head, then every template in the order of the source. What was missing; obsolete."""
    text = path.read_text("utf-8")
    known = languages.read(path)
    head, _, _ = text.partition("\n#: ")
    lines, place = [head.rstrip("\n")], ""
    for template, where in wanted.items():
        lines += [f"\n#: {where}"] if where != place else [""]
        place = where
        lines += [f"msgid {_quoted(template)}", f"msgstr {_quoted(known.get(template, ''))}"]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return [each for each in wanted if each not in known], [each for each in known if each not in wanted]


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def main() -> int:
    """See the module."""
    wanted, missing = templates(), 0
    for path in sorted(languages.WORDS.glob("*.po")):
        new, gone = merged(path, wanted)
        missing += len(new)
        for title, each in (("missing", new), ("obsolete, taken out", gone)):
            print(f"{path.name}: {len(each)} {title}")
            print("".join(f"  {template}\n" for template in each), end="")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
