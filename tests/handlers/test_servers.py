"""Other servers to restore to: what the operator's file may say, and that nothing else can be meant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from handlers.core.backups.catalogue import Catalogue
from handlers.core.backups.servers import read
from handlers.core.backups.wishes import wish
from handlers.core.ports import Target
from handlers.core.restores.restorations import Restorations
from handlers.core.words.answers import TargetName
from handlers.core.words.errors import OutsideError, Refusal
from handlers.core.words.jobs import JobState
from handlers.restore import RestoreHandler
from tests.fake_database import FakeCommand, FakeDatabase
from tests.handlers.test_restorations import SHOP, Scene, Telling

STAGING = TargetName("staging")


def test_a_file_names_servers() -> None:
    found, problems = read({"servers": {"staging": {"uri": "mongodb://a/shop"}, "dr-2": {"uri_file": "/run/uri"}}})
    assert problems == ()
    assert [(each.name, each.uri, each.uri_file) for each in found] == [
        ("staging", "mongodb://a/shop", ""),
        ("dr-2", "", "/run/uri"),
    ]
    assert "mongodb" not in repr(found)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (None, "servers:"),
        ([], "servers:"),
        ({"targets": {}}, "targets is not supported yet"),
        ({"servers": []}, "expected names"),
        ({"servers": {"Staging": {"uri": "mongodb://secret"}}}, "small letters"),
        ({"servers": {"into": {"uri": "mongodb://secret"}}}, "no word of"),
        ({"servers": {3: {"uri": "mongodb://secret"}}}, "small letters"),
        ({"servers": {"staging": "mongodb://secret"}}, "staging: expected"),
        ({"servers": {"staging": {"uri": "mongodb://secret", "uri_file": "/x"}}}, "one of"),
        ({"servers": {"staging": {"uri": "mongodb://secret", "password": "secret"}}}, "nothing else"),
        ({"servers": {"staging": {"uri": ""}}}, "one of"),
        ({"servers": {"staging": {"uri": ["mongodb://secret"]}}}, "one of"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_without_an_address(data: object, said: str) -> None:
    found, problems = read(data)
    assert found == ()
    assert said in "; ".join(problems)
    assert "secret" not in "; ".join(problems)


def test_a_wish_names_a_server_anywhere_after_the_backup() -> None:
    assert wish(["latest", "to", "staging"]).to == "staging"
    assert wish(["latest", "shop", "to", "staging", "into", "copy", "only", "orders", "users"]).only == (
        "orders",
        "users",
    )
    found = wish(["latest", "only", "orders", "users", "to", "staging", "into", "copy"])
    assert (found.only, found.to, found.into) == (("orders", "users"), "staging", "copy")
    with pytest.raises(Refusal, match="do not understand"):
        wish(["latest", "to"])
    with pytest.raises(Refusal, match="do not understand"):
        wish(["latest", "to", "a", "to", "b"])


class Elsewhere(Scene):
    """A shop with another server beside it."""

    def __init__(self, **given: Any) -> None:
        self.other = FakeDatabase("shop")
        self.other.address = "mongodb://there"
        self.other.add("orders", [{"_id": 1, "n": "theirs"}])
        super().__init__(**given)
        self.before = self.other.content()

    def handlers(self) -> Any:
        servers = {STAGING: Target(STAGING, self.other, self.store, FakeCommand())}
        targets = {**self.targets, **servers}
        catalogues = {each: Catalogue(each, self.store) for each in targets}
        restorations = Restorations(targets, catalogues, self.clock, servers=servers)
        return super().handlers()[0], RestoreHandler(restorations, keep_hours=24)


def test_a_restore_to_another_server_is_a_job_of_that_target_and_touches_no_other() -> None:
    scene = Elsewhere(migrate="npm run migrate:up")
    job = scene.job("restore", "latest", "to", STAGING)
    assert job.target == STAGING
    assert job.plan.arguments["source"] == SHOP
    assert job.plan.arguments["migrate"] == ""
    outcome = scene.run(job)
    assert outcome.state is JobState.DONE, outcome
    there = {name: each for name, each in scene.other.content().items() if not name.startswith("__")}
    assert there == scene.saved
    assert scene.content() == scene.live
    keys = [each.key for each in scene.store.list("v1/")]
    assert any(key.startswith(f"v1/{STAGING}/restores/") for key in keys)
    assert not any(key.startswith(f"v1/{SHOP}/restores/") for key in keys)
    scene.restored("undo", job.id)
    assert {name: each for name, each in scene.other.content().items() if not name.startswith("__")} == scene.before


def test_the_digest_that_a_code_confirms_covers_the_server() -> None:
    scene = Elsewhere()
    plan = scene.job("restore", "latest", "to", STAGING).plan
    scene.other.address = "mongodb://elsewhere"
    other = scene.job("restore", "latest", "to", STAGING).plan
    assert replace(other, nonce=plan.nonce, created=plan.created).digest != plan.digest
    assert "there" not in str(plan.to_json()["arguments"]).replace("live_", "")


def test_a_name_that_means_another_server_at_the_time_of_the_work_is_refused() -> None:
    scene = Elsewhere()
    job = scene.job("restore", "latest", "to", STAGING)
    scene.other.address = "mongodb://elsewhere"
    with pytest.raises(Refusal, match="another server now"):
        scene.handlers()[1].run(Telling(job))
    assert scene.other.content() == scene.before


def test_a_restore_to_a_server_that_is_not_configured_any_more_waits_for_it() -> None:
    scene = Elsewhere()
    job = scene.job("restore", "latest", "to", STAGING)
    with pytest.raises(OutsideError, match="in the configuration any more"):
        Scene.handlers(scene)[1].recover(job, None)


def test_what_must_not_be_planned_is_refused_with_a_sentence() -> None:
    scene = Elsewhere()
    with pytest.raises(Refusal, match="no server production"):
        scene.job("restore", "latest", "to", "production")
    scene.other.server = "5.0.31"
    with pytest.raises(Refusal, match=r"runs MongoDB 5\.0\.31"):
        scene.job("restore", "latest", "to", STAGING)
    scene.other.server, scene.other.free_bytes = "7.0.1", 1
    with pytest.raises(Refusal, match="not enough room"):
        scene.job("restore", "latest", "to", STAGING)
    scene.other.free_bytes, scene.other.address = None, scene.database.address
    with pytest.raises(Refusal, match="under another name"):
        scene.job("restore", "latest", "to", STAGING)
    scene.other.address = "mongodb://there"
    scene.other.faults.fail("database.facts")
    with pytest.raises(Refusal, match="nothing was planned"):
        scene.job("restore", "latest", "to", STAGING)


def test_without_a_file_there_is_no_other_server() -> None:
    with pytest.raises(Refusal, match="NEGAHBAN_CONFIG"):
        Scene().job("restore", "latest", "to", STAGING)
