"""SECRETS_CONFIG: what it may say, and that everything wrong with it is told at once."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters import yaml_file
from handlers.core.rotation.secrets import Kind, read

USE = {"name": "api", "check": "http://api/me", "health": "http://api/health"}


def file(**secret: Any) -> dict[str, Any]:
    """A file with one secret, changed by what is given."""
    entry = {"kind": "jwt", "store": "app", "overlap": "30d", "consumers": [USE]} | secret
    return {
        "stores": {
            "app": {"kind": "files", "folder": "/run/app"},
            "kube": {"kind": "kubernetes", "namespace": "shop"},
        },
        "secrets": {"jwt": {name: each for name, each in entry.items() if each is not None}},
    }


def test_the_example_in_the_documentation_is_right(tmp_path: Path) -> None:
    text = (Path(__file__).parents[2] / "docs" / "rotation.md").read_text()
    (tmp_path / "secrets.yaml").write_text(text.partition("```yaml\n")[2].partition("```")[0])
    managed, problems = read(yaml_file.read(tmp_path / "secrets.yaml"))
    assert problems == ()
    kinds = [Kind.JWT, Kind.MONGO_USER, Kind.AWS_KEY, Kind.ENCRYPTION_KEY, Kind.JWT, Kind.GENERIC]
    assert [each.kind for each in managed.secrets.values()] == kinds
    assert managed.secrets["data"].overlap == timedelta(days=1)
    assert managed.secrets["session"].uses[0].deployments == ("web",)
    assert managed.secrets["jwt"].overlap == timedelta(days=30)
    assert managed.secrets["jwt"].max_age == timedelta(days=90)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"kind": "rsa"}, "`kind` is not what it must be"),
        ({"kind": None}, "`kind` is missing"),
        ({"store": "elsewhere"}, "there is no store `elsewhere`"),
        ({"overlap": None}, "how long does the longest token live?"),
        ({"overlap": "soon"}, "`overlap` is a time"),
        ({"value": "hunter2"}, "`value` is not known"),
        ({"place": "../etc/passwd"}, "`place` is not what it must be"),
        ({"characters": 8}, "`characters` is a whole number from 26 to 512"),
        ({"single_value": "no"}, "`single_value` is true or false"),
        ({"accept_logout": 1}, "`accept_logout` is true or false"),
        ({"consumers": []}, "no consumer has a `check` address"),
        ({"consumers": [USE | {"check": "http://user:password@api/me"}]}, "`check` is not what it must be"),
        ({"kind": "mongo_user", "users": ["app_a"]}, "`users` names the two users"),
        ({"kind": "mongo_user", "users": ["app_a", "app_a"]}, "`users` names the two users"),
        ({"kind": "generic", "consumers": []}, "nothing could be proved"),
        ({"kind": "encryption_key"}, "no consumer has a `reencrypt` address"),
        ({"kind": "encryption_key", "targets": ["a b"]}, "`targets` is not a list"),
        ({"consumers": [USE | {"deployments": ["api"]}]}, "`deployments` are for a store in Kubernetes"),
        ({"store": "kube", "place": "app_jwt"}, "cannot be the name of a secret of Kubernetes"),
        ({"store": "kube", "place": "app-/jwt"}, "cannot be the name of a secret of Kubernetes"),
        ({"store": "kube", "consumers": [USE | {"deployments": ["api"], "roll_out": "x"}]}, "instead of `roll_out`"),
    ],
    ids=lambda each: "-".join(each) if isinstance(each, dict) else None,
)
def test_what_is_wrong_is_told(change: dict[str, Any], told: str) -> None:
    _, problems = read(file(**change))
    assert any(told in each for each in problems), problems


def test_everything_wrong_is_told_at_once() -> None:
    _, problems = read(file(kind="rsa", overlap="soon", characters=1))
    assert len(problems) >= 3


def test_two_secrets_do_not_live_in_one_place() -> None:
    data = file(place="same")
    data["secrets"]["other"] = data["secrets"]["jwt"]
    assert any("same place" in each for each in read(data)[1])


@pytest.mark.parametrize("kind", ["factor_key", "audit_key", "webhook_token"])
def test_the_bot_has_one_secret_of_each_kind_of_its_own(kind: str) -> None:
    data = file(kind=kind, overlap=None)
    data["secrets"]["spare"] = data["secrets"]["jwt"]
    assert f"secrets jwt, spare: the bot has one `{kind}`" in read(data)[1]
    data["secrets"].pop("spare")
    assert read(data)[1] == ()


def test_a_flag_that_cannot_be_read_logs_nobody_out() -> None:
    managed, _ = read(file(single_value="yes", accept_logout="yes"))
    assert not managed.secrets["jwt"].single_value
    assert not managed.secrets["jwt"].accept_logout


def keys(**changes: Any) -> dict[str, Any]:
    data = file()
    use = {"name": "uploader", "verify": "true"}
    data["stores"]["aws"] = {"kind": "secrets_manager", "prefix": "shop"}
    data["secrets"] = {"s3": {"kind": "aws_key", "store": "aws", "iam_user": "shop", "consumers": [use]} | changes}
    return data


def test_an_access_key_overlaps_by_a_day_unless_it_is_more() -> None:
    managed, problems = read(keys())
    assert problems == ()
    assert managed.secrets["s3"].overlap.total_seconds() == 86_400
    assert managed.stores["aws"].where == "shop"


@pytest.mark.parametrize("changes", [{"iam_user": ""}, {"iam_user": "a b"}, {"overlap": "23h"}, {"consumers": []}])
def test_what_an_access_key_cannot_be_without_is_told(changes: dict[str, Any]) -> None:
    assert read(keys(**changes))[1]


@pytest.mark.parametrize("name", ["due", "retire", "Now", "a b", "../x", "x" * 41, "-x", ""])
def test_what_cannot_be_typed_is_no_name(name: str) -> None:
    data = file()
    data["secrets"][name] = data["secrets"].pop("jwt")
    assert any("cannot be a name" in each for each in read(data)[1])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_nothing_in_a_file_breaks_the_reading_of_it(data: Any) -> None:
    read(data)
    read({"stores": data, "secrets": data})
    read({"stores": {"app": data}, "secrets": {"jwt": data}})
    read(file(consumers=data))
    read(file(consumers=[data], overlap=data, users=data))
