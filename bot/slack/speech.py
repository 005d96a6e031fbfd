"""Speech: which tongue is spoken where.

- What a channel shares is said in the channel's tongue; what only one person sees, in that person's.
- A person's tongue: the one the settings name for them; else that of their Slack locale; else the channel's. An English
  locale decides nothing: Slack offers few languages for itself, and whoever misses theirs has an English locale.
- Nothing here fails: who could not be asked about is spoken to as the channel is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from handlers.core.words.tongues import ENGLISH, Tongue


class Locales(Protocol):
    """What Slack knows of people's languages."""

    def locale(self, user_id: str, *, ask: bool = True) -> str:
        """Like fa-IR, or empty. `ask`: Slack may be asked, which takes up to ten seconds."""


class Speech:
    """`tongues`: by code; `named`: the tongue of channels and people that the settings name; `usual`: of all others."""

    def __init__(self, tongues: Mapping[str, Tongue], named: Mapping[str, str], usual: str, locales: Locales) -> None:
        self._tongues = tongues
        self._named = named
        self._usual = usual
        self._locales = locales

    def of_channel(self, channel: str) -> Tongue:
        """Of what everybody in a channel sees."""
        return self._tongue(self._named.get(channel, self._usual))

    def of_person(self, person: str, channel: str = "", *, ask: bool = True) -> Tongue:
        """Of what only this person sees, there. `ask`: not where Slack waits for an ack."""
        if person in self._named:
            return self._tongue(self._named[person])
        code = self._locales.locale(person, ask=ask)[:2].lower() if self._many else ""
        return self._tongues[code] if code in self._tongues and code != ENGLISH.code else self.of_channel(channel)

    def of_posting(self, channel: str, reader: str) -> Tongue:
        """Of a card in a channel, or of one that is shown to `reader` alone."""
        return self.of_person(reader) if reader else self.of_channel(channel)

    @property
    def _many(self) -> bool:
        return len(self._tongues) > 1

    def _tongue(self, code: str) -> Tongue:
        return self._tongues.get(code, ENGLISH)


class _NoLocales:
    def locale(self, user_id: str, *, ask: bool = True) -> str:
        return ""


ONLY_ENGLISH = Speech({}, {}, ENGLISH.code, _NoLocales())
