"""An installation: the files that `negahban init` writes, from what it was told. Nothing is touched here.

- What is no secret stands in `negahban.env`; every secret is a file of its own in `secrets/`, for its reader alone.
- For Compose, beside the shipped compose.yaml: `.env`, which Compose itself reads, and `compose.override.yaml`. Secrets
  are reached as the shipped file mounts them. On a host: by the path of the file.
- Keys and passwords that nobody has to know are made: MASTER_KEY, WEBHOOK_TOKEN, Redis's and Grafana's passwords.
"""

from __future__ import annotations

import base64
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import quote

Shape = Literal["compose", "host"]
Random = Callable[[int], bytes]
ENVIRONMENT, OVERRIDE, COMPOSE_ENVIRONMENT, SECRETS = "negahban.env", "compose.override.yaml", ".env", "secrets"
BOT, REDIS, GRAFANA = 10001, 999, 472
"""Who reads the secrets in the containers."""
FOR_THE_GROUP = "WEBHOOK_TOKEN"
"""What Alertmanager reads too, by the bot's group."""
ACL_PASSWORD = "CHANGE-ME"  # noqa: S105 what stands for it in the shipped redis.acl.example
_PLAIN = re.compile(r"[A-Za-z0-9._:/@%+,=-]*")


@dataclass(frozen=True, slots=True)
class Told:
    """What init was told. `settings`: by name, no secrets; `secrets`: by name; `public_name`: the host's name outside,
    empty when nothing has to come in; `acl`: the shipped redis.acl.example, for Compose."""

    shape: Shape
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    public_name: str = ""
    acl: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """One file. `owner`: the user's and the group's number, None: whoever writes it. `mode`: who may do what with it;
    a secret is for its owner alone, or also for the group."""

    name: str
    content: str
    owner: int | None = None
    mode: int = 0o644


def files(told: Told, random: Random, folder: str) -> tuple[Written, ...]:
    """All of them. `folder`: the absolute path where they will be."""
    secrets = {
        "MASTER_KEY": base64.b64encode(random(32)).decode(),
        "WEBHOOK_TOKEN": random(32).hex(),
        **told.secrets,
    }
    if told.shape == "host":
        return (_host(told, secrets, folder), *(_secret(name, value, None) for name, value in secrets.items()))
    password = random(24).hex()
    secrets.setdefault("REDIS_URL", f"redis://negahban:{quote(password, safe='')}@redis:6379/0")
    secrets.setdefault("SLACK_APP_TOKEN", "")  # the shipped file mounts it in either mode
    return (
        Written(ENVIRONMENT, _lines(told.settings)),
        Written(COMPOSE_ENVIRONMENT, _lines(_compose(told))),
        Written(OVERRIDE, _override(told)),
        *(_secret(name, value, BOT) for name, value in secrets.items()),
        Written(f"{SECRETS}/redis_acl", told.acl.replace(ACL_PASSWORD, password), REDIS, 0o400),
        Written(f"{SECRETS}/grafana_password", random(18).hex(), GRAFANA, 0o400),
    )


def _host(told: Told, secrets: Mapping[str, str], folder: str) -> Written:
    paths = {f"{name}_FILE": f"{folder}/{_place(name)}" for name in secrets}
    return Written(ENVIRONMENT, _lines({**told.settings, **paths}))


def _compose(told: Told) -> dict[str, str]:
    # The shipped file asks for a name also when no proxy is started.
    name = told.public_name or "localhost"
    profiles = {"COMPOSE_PROFILES": "nginx"} if told.public_name else {}
    return {"NEGAHBAN_IMAGE": "negahban:latest", "NEGAHBAN_HOST": name, **profiles}


def _override(told: Told) -> str:
    """What differs from the shipped compose.yaml here."""
    more: dict[str, str] = {}
    if told.settings.get("BACKUP_S3_URL"):
        more["BACKUP_DIR"] = '""'
    signed = "SLACK_SIGNING_SECRET" in told.secrets
    if signed:
        more["SLACK_SIGNING_SECRET_FILE"] = "/run/secrets/slack_signing_secret"  # noqa: S105 where it is
    lines = ["# Written by `negahban init`: what differs from compose.yaml here."]
    if not more:
        return "\n".join([*lines, "services: {}", ""])
    lines.append("services:")
    for service in ("serve", "worker"):
        lines += [f"  {service}:", "    environment:", *(f"      {name}: {value}" for name, value in more.items())]
        lines += ["    secrets: [slack_signing_secret]"] if signed else []
    if signed:
        lines += ["secrets:", f"  slack_signing_secret: {{file: ./{_place('SLACK_SIGNING_SECRET')}}}"]
    return "\n".join([*lines, ""])


def _secret(name: str, value: str, owner: int | None) -> Written:
    return Written(_place(name), value, owner, 0o440 if owner is not None and name == FOR_THE_GROUP else 0o400)


def _place(name: str) -> str:
    return f"{SECRETS}/{name.lower()}"


def _lines(values: Mapping[str, str]) -> str:
    """As a shell and Compose both read them."""
    spelled = (f"{name}={value if _PLAIN.fullmatch(value) else shlex.quote(value)}" for name, value in values.items())
    return "".join(f"{line}\n" for line in spelled)
