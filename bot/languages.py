"""The languages the bot speaks: their translations, read from `bot/words/<code>.po`.

- The files are gettext's (gnu.org/software/gettext/manual/html_node/PO-Files.html), so that Poedit, Weblate and msgfmt
  read them; of the format only `msgid`, `msgstr` and comments are used. They are read as they are, in a few
  milliseconds: nothing compiled can be older than its source.
- `make words` compares them with the code, and a test says that none is missing.
- `chosen` reads what the setting CHAT_LANGUAGE says: a code, then channels and people with another one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from handlers.core.words.tongues import ENGLISH, Tongue, persian

WORDS = Path(__file__).parent / "words"
_MADE: Mapping[str, Callable[[Mapping[str, str]], Tongue]] = {"fa": persian}
_EXCEPTION = re.compile(r"([CGDUW][A-Z0-9]{2,})=([a-z]{2})")


def tongues() -> Mapping[str, Tongue]:
    """Every language, by its code."""
    return {ENGLISH.code: ENGLISH, **{code: tongue(code) for code in _MADE}}


@cache
def tongue(code: str) -> Tongue:
    """One of them; English for a code that is not known."""
    return _MADE[code](read(WORDS / f"{code}.po")) if code in _MADE else ENGLISH


def of_locale(locale: str) -> Tongue:
    """The language of a POSIX locale (`fa_IR.UTF-8`); English when unsure."""
    return tongue(re.split(r"[_.@]", locale)[0].lower())


def read(path: Path) -> dict[str, str]:
    """The translations of a .po file by their English templates. Raises ValueError for another file."""
    pairs: dict[str, str] = {}
    english, into, parts = "", "", {"msgid": "", "msgstr": ""}
    for number, line in enumerate([*path.read_text("utf-8").splitlines(), 'msgid ""'], 1):
        word, _, quoted = line.partition(" ") if not line.startswith('"') else (into, "", line)
        if not line.strip() or line.startswith("#"):
            continue
        if word not in parts or not quoted.startswith('"'):
            raise ValueError(f"{path.name}:{number}: msgid, msgstr or a comment is expected")
        if word == "msgid" and not line.startswith('"'):
            if english := parts["msgid"]:
                pairs[english] = parts["msgstr"]
            parts = {"msgid": "", "msgstr": ""}
        into = word
        try:
            parts[word] += json.loads(quoted)
        except ValueError:
            raise ValueError(f"{path.name}:{number}: a quote is not closed") from None
    return {english: said for english, said in pairs.items() if said}


def chosen(setting: str) -> tuple[str, Mapping[str, str]]:
    """The usual code, and the codes of channels and people. Raises ValueError saying what is expected."""
    usual, *exceptions = setting.split() or [ENGLISH.code]
    named = {match[1]: match[2] for each in exceptions if (match := _EXCEPTION.fullmatch(each))}
    known = {ENGLISH.code, *_MADE}
    if usual not in known or len(named) != len(exceptions) or not known.issuperset(named.values()):
        codes = " or ".join(sorted(known))
        raise ValueError(f"{codes}, then channels and people with another one, like fa C0123456789=en U0123456789=en")
    return usual, named
