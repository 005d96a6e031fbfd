"""The other servers to which backups may be restored: those that NEGAHBAN_CONFIG names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bot.adapters.command import ShellCommand
from bot.adapters.mongo import MongoDatabase
from bot.settings import MAX_FILE_BYTES, Settings
from bot.wiring.files import read_file
from handlers.core.backups import servers
from handlers.core.backups.servers import Server
from handlers.core.ports import ArtifactStore, Target
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Text

SETTING = "NEGAHBAN_CONFIG"


def servers_of(
    given: Settings, live: TargetName, store: ArtifactStore, database: Callable[[str], MongoDatabase]
) -> dict[TargetName, Target]:
    """Each as a target of its own, in the same store; nothing is run after a restore there. `database`: one for an
    address. Raises Refusal for a file that cannot be used, OutsideError when it cannot be read."""
    if not given.negahban_config:
        return {}
    found = read_file(SETTING, given.negahban_config, servers.read)
    if any(each.name == live for each in found):
        raise Refusal(Text("{setting}: {name} is the name of the live target.", setting=SETTING, name=live))
    return {each.name: Target(each.name, _made(each, database), store, ShellCommand("", "")) for each in found}


def _made(server: Server, database: Callable[[str], MongoDatabase]) -> MongoDatabase:
    uri = server.uri or _file(server)
    try:
        return database(uri)
    except Refusal as refusal:
        raise _wrong(server, "expected an address like mongodb://host:27017/shop") from refusal


def _file(server: Server) -> str:
    try:
        with Path(server.uri_file).open("rb") as file:
            return file.read(MAX_FILE_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(server, "its uri_file cannot be read") from error


def _wrong(server: Server, why: str) -> Refusal:
    return Refusal(Text("{setting}: {name}: {why}.", setting=SETTING, name=server.name, why=why))
