"""`negahban init`: asks a few questions, or is told by flags, and writes the files of an installation.

- Each answer is judged at once, by what the setting itself expects. A secret is typed without being shown, or read from
  a file; it is never printed, never in the words of a command, and never in an error.
- A file that is there is never written over: then nothing is written at all. What is written is written whole, or taken
  away again.
"""

from __future__ import annotations

import getpass
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TextIO

from bot.installation import SECRETS, Told, Written, files
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.text import Code, Lines, Text

NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
ACL = "redis.acl.example"
ALWAYS = ("SLACK_MODE", "SLACK_BOT_TOKEN", "MONGODB_URI", "OPS_CHANNEL", "ALERTS_CHANNEL", "BACKUP_TIME_ZONE")
OFFERED = {"REDIS_URL": "redis://127.0.0.1:6379/0"}
"""What is right on most hosts, where the setting itself has no default."""
BY_MODE = {"socket": "SLACK_APP_TOKEN", "http": "SLACK_SIGNING_SECRET"}


class Setting(Protocol):
    """See bot.settings."""

    @property
    def name(self) -> str:
        """As in the environment."""

    @property
    def parse(self) -> Callable[[str], Any]:
        """Raises ValueError, saying what was expected."""

    @property
    def comment(self) -> str:
        """What it means."""

    @property
    def default(self) -> str:
        """Without it."""

    @property
    def secret(self) -> bool:
        """Whether it is shown to nobody."""


@dataclass
class Installing:
    """`known`: every setting by its name. `asks`: whether somebody is there to answer."""

    known: Mapping[str, Setting]
    asks: bool
    out: TextIO = field(default_factory=lambda: sys.stdout)
    ask: Callable[[str], str] = input
    ask_secretly: Callable[[str], str] = getpass.getpass
    settings: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def told(self, given: Sequence[str], kept: Sequence[str]) -> None:
        """Flags: NAME=VALUE for what is no secret, NAME=FILE for a secret. Raises Refusal."""
        for each in given:
            name, _, value = each.partition("=")
            setting = self._setting(name)
            if setting.secret:
                raise Refusal(Text("{name} is a secret: give it as --secret {name}=FILE.", name=Code(name)))
            self.settings[name] = self._judged(setting, value)
        for each in kept:
            name, _, path = each.partition("=")
            setting = self._setting(name)
            try:
                self.secrets[name] = self._judged(setting, Path(path).read_text().strip())
            except (OSError, UnicodeDecodeError):
                raise Refusal(Text("The file of {name} cannot be read.", name=Code(name))) from None

    def install(
        self, shape: str, public_name: str, folder: Path, random: Callable[[int], bytes]
    ) -> tuple[Written, ...]:
        """Asks for what is missing, and writes; what was written. Raises Refusal or OutsideError; then nothing is."""
        if shape not in {"compose", "host"}:
            raise Refusal(Text("Where will it run? --for compose or --for host."))
        for name in (*ALWAYS, *(("REDIS_URL", "BACKUP_DIR") if shape == "host" else ())):
            self._wanted(name)
        self._wanted(BY_MODE[self.settings["SLACK_MODE"]])
        if self.settings["SLACK_MODE"] == "http":
            public_name = public_name or self._answer("Its public name, as bot.example.org: ", secret=False)
        if public_name and not NAME.fullmatch(public_name):
            raise Refusal(Text("A public name is like bot.example.org."))
        if shape == "compose":
            self.settings.pop("BACKUP_DIR", None)
        acl = _acl(folder) if shape == "compose" else ""
        given = {name: value for name, value in self.settings.items() if value}
        told = Told("compose" if shape == "compose" else "host", given, self.secrets, public_name, acl)
        made = files(told, random, str(folder.resolve()))
        _write(folder, made)
        return made

    def _wanted(self, name: str) -> None:
        if name == "BACKUP_DIR" and self.settings.get("BACKUP_S3_URL"):
            return
        if name in self.settings or name in self.secrets:
            return
        setting = self.known[name]
        place = self.secrets if setting.secret else self.settings
        offered = setting.default or OFFERED.get(name, "")
        if not self.asks and offered:
            place[name] = offered
            return
        shown = f" [{offered}]" if offered else ""
        while name not in place:
            typed = self._answer(f"{name}: {setting.comment}{shown}: ", secret=setting.secret) or offered
            try:
                place[name] = self._judged(setting, typed)
            except Refusal as refusal:
                print(f"  {refusal}", file=self.out)

    def _answer(self, question: str, *, secret: bool) -> str:
        if not self.asks:
            name = question.partition(":")[0]
            raise Refusal(Text("{name} is missing, and nobody is there to be asked.", name=Code(name)))
        return (self.ask_secretly if secret else self.ask)(question).strip()

    def _setting(self, name: str) -> Setting:
        setting = self.known.get(name)
        if setting is None:
            raise Refusal(Text("There is no setting {name}.", name=Code(name[:40])))
        return setting

    def _judged(self, setting: Setting, value: str) -> str:
        try:
            if not value or any(ord(character) < 32 for character in value):
                raise ValueError("one line that is not empty")
            setting.parse(value)
        except ValueError as error:
            # Its words say what was expected, and never what was given.
            text = Text("{name}: expected {what}.", name=Code(setting.name), what=str(error))
            raise Refusal(text) from None
        return value


def _acl(folder: Path) -> str:
    try:
        return (folder / ACL).read_text()
    except OSError:
        raise Refusal(
            Text("{folder} is not deploy/compose: {file} is not there. Run it there, or use --for host.",
                 folder=Code(str(folder)), file=Code(ACL))
        ) from None  # fmt: skip


def _write(folder: Path, made: Sequence[Written]) -> None:
    """All or nothing."""
    there = [each.name for each in made if (folder / each.name).exists()]
    if there:
        raise Refusal(
            Text("Nothing was written, because these are there already: {names}.", names=Lines("\n".join(there)))
        )
    done: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SECRETS).mkdir(mode=0o700, exist_ok=True)
        for each in made:
            descriptor = os.open(folder / each.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, each.mode)
            done.append(folder / each.name)  # ours: what was there made `open` fail
            with os.fdopen(descriptor, "w") as file:
                file.write(each.content)
            if each.owner is not None and os.geteuid() == 0:
                os.chown(folder / each.name, each.owner, each.owner)
    except OSError as error:
        for path in done:
            path.unlink(missing_ok=True)
        text = Text("Nothing was written: {folder} cannot be written to.", folder=Code(str(folder)))
        raise OutsideError(text, permanent=True) from error
