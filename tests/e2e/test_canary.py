"""No leaks: secrets and codes are planted everywhere, everything is driven and made to fail, and all is searched.

- Planted: every setting that is a secret, each with a real server that wants it; seeds and codes of people; the
  values of managed secrets, those before and after a rotation.
- Searched: the log at DEBUG, every payload Slack got, the audit record, what is in the artifact store and in Redis, the
  arguments and environments of every child while it runs, temporary files, /metrics.
- Allowed: MONGODB_URI in the environment of MIGRATE_COMMAND, which is for it; the bot's own processes have their
  settings in their own environment.
- tests/test_canaries.py shows that the instrument finds what is planted on purpose, in each of these places.
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3.session
import pyrage
import pytest
import redis

from bot.settings import SETTINGS
from sandbox.aws import Aws
from sandbox.demo import authenticator, shop, tour
from sandbox.demo.stage import Stage
from sandbox.servers.bot import Bot
from sandbox.servers.mongod import Mongod
from sandbox.servers.openbao import OpenBao
from sandbox.servers.redis import RedisServer
from tests.canaries import Aviary, Canary, Watch, files_below
from tests.conftest import needs

pytestmark = [pytest.mark.timeout(300), pytest.mark.xdist_group("canary")]

OPS = tour.OPS
PEOPLE = {"mail": "U0OMID", "broken": "U0LEILA"}
"""Who rotates what: a code counts once, so each person needs half a minute between two."""
CONFIG = """
stores:
  vault: {{kind: vault, mount: secret}}
secrets:
  mail:
    kind: generic
    store: vault
    place: app/mail
    overlap: 1s
    consumers: [{{name: mailer, verify: "{python} -c 'import sys; sys.stdin.read()'"}}]
  broken:
    kind: generic
    store: vault
    place: app/broken
    overlap: 1s
    consumers: [{{name: mailer, verify: "{python} -c 'import sys; sys.exit(sys.stdin.read())'"}}]
"""
PROGRAM = "import os, sys, time; time.sleep(0.3); print(os.environ['MONGODB_URI']); sys.exit(3)"
MIGRATE = f'{sys.executable} -c "{PROGRAM}"'


@dataclass
class Planted:
    """The stage, and everything that was planted."""

    stage: Stage
    aws: Aws
    vault: OpenBao
    base: Path
    aviary: Aviary
    codes: list[str] = field(default_factory=list)

    @property
    def audit(self) -> Path:
        """The audit record."""
        return self.base / "audit" / "audit.jsonl"


def values_of(vault: OpenBao) -> list[str]:
    """Every value that OpenBao holds now, former versions too."""
    found = []
    for place in ("app/mail", "app/broken", "pending/app/mail", "pending/app/broken"):
        for version in range(1, 6):
            try:
                answer = vault.ask("GET", f"secret/data/{place}?version={version}")
            except urllib.error.HTTPError:
                continue
            found.append(str(((answer.get("data") or {}).get("data") or {}).get("value", "")))
    return [each for each in found if each]


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planted]:
    for part in ("mongod", "redis-server", "mongodump", "bao"):
        needs(part)
    base = tmp_path_factory.mktemp("canary")
    for name in ("audit", "tmp"):
        (base / name).mkdir()
    (base / "secrets.yaml").write_text(CONFIG.format(python=sys.executable))
    identity = pyrage.x25519.Identity.generate()
    word = secrets.token_urlsafe(18)
    with Aws() as aws, OpenBao() as vault:
        aws.create_bucket("kept", lock=True)
        for name in ("mail", "broken"):
            vault.ask("POST", f"secret/data/app/{name}", {"data": {"value": f"first-{name}-{word}"}})
        stage = Stage()
        stage.mongod = Mongod(authentication=True)
        stage.redis = RedisServer("--user", "canary", "on", f">redis-{word}", "~*", "&*", "+@all")
        more = {
            **aws.environment(),
            "BACKUP_DIR": "",
            "BACKUP_S3_URL": "s3://kept/x",
            "AUDIT_FILE": str(base / "audit" / "audit.jsonl"),
            "AUDIT_KEY": "YXVkaXQta2V5LW9mLXRoZS1jYW5hcnktdGVzdC0wMSE=",
            "AUDIT_CHANNEL": "C0OPS",
            "REDIS_URL": f"redis://canary:redis-{word}@127.0.0.1:{stage.redis.port}/0",
            "BACKUP_AGE_RECIPIENTS": str(identity.to_public()),
            "BACKUP_AGE_IDENTITY": str(identity),
            "DRILL_URI": f"mongodb://drill:drill-{word}@127.0.0.1:9/",
            "PROMETHEUS_URL": f"http://prom:prom-{word}@127.0.0.1:9/",
            "HEARTBEAT_URL": f"http://127.0.0.1:9/beat-{word}",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
            "OTEL_EXPORTER_OTLP_HEADERS": f"authorization=otel-{word}",
            "VAULT_ADDR": vault.url,
            "VAULT_TOKEN": vault.token,
            "VAULT_SECRET_ID": f"secret-id-{word}",
            "SECRETS_CONFIG": str(base / "secrets.yaml"),
            "MIGRATE_COMMAND": MIGRATE,
            "LOG_LEVEL": "DEBUG",
            "LOG_FORMAT": "json",
            "TMPDIR": str(base / "tmp"),
            "RESTORE_LOADER": "mongorestore",
        }
        stage._more = more
        with stage:
            for person in PEOPLE.values():
                stage.enrol(person)
            yield Planted(stage, aws, vault, base, Aviary(_canaries(stage, aws, word)))


def _canaries(stage: Stage, aws: Aws, word: str) -> list[Canary]:
    """Every secret there is at the start. A setting that is a secret and is not here fails the test below."""
    given = stage.given
    whole = {name: given[name] for name in SECRET_SETTINGS if "://" not in given.get(name, "://")}
    parts = {
        "REDIS_URL": f"redis-{word}",
        "MONGODB_URI": stage.mongod.password,
        "DRILL_URI": f"drill-{word}",
        "PROMETHEUS_URL": f"prom-{word}",
        "HEARTBEAT_URL": f"beat-{word}",
    }
    others = {
        "the S3 secret key": aws.secret_key,
        **{f"the seed of {person}": seed for person, seed in stage.keys.items()},
        **{f"the first {name}": f"first-{name}-{word}" for name in ("mail", "broken")},
    }
    return [Canary(name, value) for name, value in {**whole, **parts, **others}.items()]


SECRET_SETTINGS = [each.name for each in SETTINGS if each.secret]


def test_every_setting_that_is_a_secret_is_planted(planted: Planted) -> None:
    assert [name for name in SECRET_SETTINGS if not planted.stage.given.get(name)] == []


def drive(planted: Planted) -> None:
    """Every command, by a person, right and wrong."""
    stage = planted.stage
    sara = stage.slack.person("U0SARA")
    for words in ("/backup now", "/audit", "/audit verify", "/audit export 0 9", "/rotate status", "/runbook"):
        sara.command(OPS, words)
    sara.wait_for_message(OPS, tour.shows("is kept"), 60)
    shop.live_on(stage.uri)
    sara.command(OPS, "/backup verify latest")
    sara.wait_for_message(OPS, lambda each: "checked" in tour.words(each) or "SHA-256" in tour.words(each), 60)
    sara.command(OPS, "/backup drill")
    for name in ("mail", "broken"):
        stage.slack.person(PEOPLE[name]).command(OPS, f"/rotate {name}")
        confirm(planted, f"Rotation of `{name}`", name, PEOPLE[name])
    sara.command(OPS, "/restore latest")
    confirm(planted, "Restore", "restore", "U0SARA")
    code = authenticator.code(stage.keys["U0SARA"], authenticator.step_now() + 7)
    planted.aviary.add(Canary("a code in the words of a command", code))
    sara.command(OPS, f"/restore latest {code}")
    sara.command(OPS, f"/audit by {code[:3]} {code[3:]}")
    sara.command(OPS, "/health")
    sara.command(OPS, "/health metrics")
    time.sleep(3)


def confirm(planted: Planted, title: str, what: str, person: str) -> None:
    """Types a wrong code and then right ones until one is taken; all of them are canaries."""
    stage, sara = planted.stage, planted.stage.slack.person(person)
    title = title.replace("`", "")

    def titled(message: Any) -> bool:
        return title in tour.words(message).replace("`", "")

    offered = sara.wait_for_message(OPS, lambda each: titled(each) and tour.has_button(each, "confirm"), 30)
    sara.click(OPS, offered["ts"], "confirm")
    view = sara.wait_for_view("totp", 20)
    wrong = authenticator.code(stage.keys[person], authenticator.step_now() + 99)
    planted.aviary.add(Canary(f"the wrong code for {what}", wrong))
    sara.submit(view["id"], {"code": {"code": wrong}})
    code = stage.fresh_code(person)
    planted.aviary.add(Canary(f"the code for {what} {code[:2]}", code))
    planted.codes.append(code)
    sara.submit(view["id"], {"code": {"code": code}})
    assert not [each for each in sara.views() if each["callback_id"] == "totp"], f"no code was taken for {what}"

    def ended(message: Any) -> bool:
        going = tour.has_button(message, "confirm") or tour.has_button(message, "job_cancel")
        return bool(message["ts"] == offered["ts"]) and not going

    sara.wait_for_message(OPS, ended, 90)


def call(planted: Planted, token: str, body: bytes) -> int:
    """A webhook; what it answered."""
    address = f"http://127.0.0.1:{planted.stage.bot.port}/webhooks/alertmanager"
    request = urllib.request.Request(address, body, {"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def fail(planted: Planted) -> None:
    """Every server goes away under a command; webhooks are sent wrongly; Slack answers nonsense."""
    stage, sara = planted.stage, planted.stage.slack.person("U0SARA")
    token = stage.given["WEBHOOK_TOKEN"]
    assert call(planted, token, b"not a webhook") == 400
    assert call(planted, token[:-1], b"{}") == 401
    stage.slack.fault("chat.postMessage", "error:internal_error", times=2)
    planted.aws.kill()
    for words in ("/backup list", "/backup now"):
        sara.command(OPS, words)
    planted.vault.kill()
    for words in ("/rotate mail", "/rotate status"):
        sara.command(OPS, words)
    stage.mongod.members[0].kill()
    for words in ("/backup now", "/health mongo", "/restore latest"):
        sara.command(OPS, words)
    time.sleep(4)
    stage.redis.kill()
    for words in ("/backup now", "/audit"):
        sara.command(OPS, words)
    await_traceback(planted)


def await_traceback(planted: Planted) -> None:
    """A thread of the worker may be waiting for another server that is gone, before it finds that Redis is too."""
    log = planted.stage.bot.log
    planted.stage.slack.person("U0SARA").wait_for(lambda: b"Traceback" in log.read_bytes(), 90, "a traceback")


def copies_verified(planted: Planted) -> int:
    """What the command line says about the copies in the bucket, which are all of the record so far."""
    command = [sys.executable, "-m", "bot", "audit", "verify", "s3://kept/x"]
    environment = Bot(planted.stage.given).environment()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert "records, in order" in done.stdout, done.stdout + done.stderr
    return done.returncode


def redis_content(planted: Planted) -> bytes:
    """Everything that is in Redis."""
    client = redis.Redis.from_url(planted.stage.redis.url)
    found: list[bytes] = []
    for key in client.keys("*"):
        found += [repr(key).encode(), repr(client.dump(key)).encode()]
        for read in (client.get, client.lrange, client.hgetall, client.zrange):
            try:
                found.append(repr(read(key, *((0, -1) if read in {client.lrange, client.zrange} else ()))).encode())
            except redis.ResponseError:
                continue
    client.close()
    return b"\n".join(found)


def store_content(planted: Planted) -> dict[str, bytes]:
    """Everything in the bucket, as it lies there."""
    environment = planted.aws.environment()
    session = boto3.session.Session(
        environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"], region_name="us-east-1"
    )
    client = session.client("s3", endpoint_url=planted.aws.url)
    listed = client.list_objects_v2(Bucket="kept").get("Contents", [])
    found = {
        f"the artifact {each['Key']}": client.get_object(Bucket="kept", Key=each["Key"])["Body"].read()
        for each in listed
    }
    client.close()
    return found


def test_no_canary_is_anywhere(planted: Planted) -> None:
    stage = planted.stage
    with Watch(stage.bot.pid, planted.base / "tmp") as watch:
        drive(planted)
        for number, value in enumerate(values_of(planted.vault)):
            if not value.startswith("first-"):
                planted.aviary.add(Canary(f"rotated value {number}", value))
        with urllib.request.urlopen(f"http://127.0.0.1:{stage.bot.port}/metrics", timeout=10) as answer:
            metrics = answer.read()
        kept = {"Redis": redis_content(planted), "/metrics": metrics, **store_content(planted)}
        assert copies_verified(planted) == 0
        fail(planted)
    log = stage.bot.log.read_bytes()
    stage.bot.kill()  # nothing is there any more that it could wait for
    slack = stage.slack.log()
    places = {
        "the log": log,
        **{f"what Slack got by {each['method']}": b"" for each in slack},
        **kept,
        **watch.places(but=_allowed()),
        **{f"beside the audit record: {name}": held for name, held in files_below(planted.base / "audit").items()},
    }
    for each in slack:
        places[f"what Slack got by {each['method']}"] += json.dumps(each["args"]).encode() + b"\n"
    assert [str(leak) for leak in planted.aviary.found_in(places)] == []
    was_looked_at(planted, log, watch, places)


def _allowed() -> list[tuple[bytes, bytes]]:
    """The command lines that may have a secret in their environment, and which."""
    return [(b"MONGODB_URI", b"MONGODB_URI"), *((b"\0-m\0bot\0", name.encode()) for name in ALL_NAMES)]


ALL_NAMES = [*SECRET_SETTINGS, "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID"]


def was_looked_at(planted: Planted, log: bytes, watch: Watch, places: dict[str, bytes]) -> None:
    """The test has seen what it is about; otherwise its silence would mean nothing."""
    seen = b" ".join(watch.arguments)
    for program in (b"mongodump", b"mongorestore", b"sys.stdin.read", b"MONGODB_URI"):
        assert program in seen, program
    assert b'"level": "DEBUG"' in log
    said = places["what Slack got by chat.postMessage"] + places["what Slack got by chat.update"]
    assert b"audit.sealed" in places["what Slack got by upload"], "the export"
    for words in (b"Rotation of", b"Restore", b"Health of", b"--anchor "):
        assert words in said, words
    record = planted.audit.read_text()
    for event in ("asked", "code.refused", "code.accepted", "secret.read", "secret.promote.done", "job.ended"):
        assert f'"event":"{event}"' in record, event
    assert any("factors/" in name for name in places)
    assert any("audit/" in name for name in places)
