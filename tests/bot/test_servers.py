"""The file of NEGAHBAN_CONFIG, read as the bot reads it at start."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from bot import settings
from bot.wiring.entrance import Nobody
from bot.wiring.house import House, build
from handlers.core.words.errors import OutsideError, Refusal


def built(folder: Path, content: str) -> House:
    file = folder / "config.yaml"
    file.write_text(content)
    environment = {
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "MONGODB_URI": "mongodb://127.0.0.1:1/shop",
        "BACKUP_DIR": str(folder / "backups"),
        "MASTER_KEY": base64.b64encode(bytes(32)).decode(),
        "NEGAHBAN_CONFIG": str(file),
    }
    return build(settings.read(environment, slack=False), Nobody())


def test_servers_are_targets_beside_the_live_one(tmp_path: Path) -> None:
    (tmp_path / "uri").write_text("mongodb://127.0.0.1:3/spare\n")
    house = built(
        tmp_path,
        f"servers:\n  staging:\n    uri: mongodb://127.0.0.1:2/shop\n  spare:\n    uri_file: {tmp_path}/uri\n",
    )
    assert list(house.copies.targets) == ["shop"]
    assert {name: each.database.name for name, each in house.copies.servers.items()} == {
        "staging": "shop",
        "spare": "spare",
    }
    assert [each.migrate.line for each in house.copies.servers.values()] == ["", ""]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("servers:\n  shop:\n    uri: mongodb://u:secret@h/shop\n", "name of the live target"),
        ("servers:\n  staging:\n    uri: mongodb://u:secret@h\n", "staging: expected an address"),
        ("servers:\n  staging:\n    uri_file: /nowhere\n", "uri_file cannot be read"),
        ("people: {}\n", "people is not supported yet"),
        ("servers: [\n", "line 2"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_without_an_address(tmp_path: Path, content: str, said: str) -> None:
    with pytest.raises((Refusal, OutsideError)) as caught:
        built(tmp_path, content)
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
