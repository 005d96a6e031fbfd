"""The settings: what the environment says, read once at start.

- Each name may also be given as NAME_FILE, the path of a file that holds the value (for mounted secrets).
- Everything that is wrong is said at once, by name, with what was expected. No value of a secret is ever repeated.
- `.env.example` holds the same names with the same comments; a test compares them.
"""

from __future__ import annotations

import base64
import binascii
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot import languages
from handlers.core.backups.schedules import Schedule
from handlers.core.words import questions

MAX_FILE_BYTES = 64 * 1024


class SettingsError(Exception):
    """The environment cannot be used. `problems`: one sentence for each setting that is wrong."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Setting:
    """One name. `parse` raises ValueError saying what was expected. `key_file`: a file of it may have several lines and
    comments, as `age-keygen` writes them."""

    name: str
    parse: Callable[[str], Any]
    comment: str
    example: str = ""
    default: str = ""
    secret: bool = False
    key_file: bool = False


def _text(value: str) -> str:
    return value


def _one_of(*words: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in words:
            raise ValueError(f"one of {', '.join(words)}")
        return value

    return parse


def _matching(pattern: str, expected: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value and re.fullmatch(pattern, value) is None:
            raise ValueError(expected)
        return value

    return parse


def _url(*schemes: str) -> Callable[[str], str]:
    expected = f"an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}"

    def parse(value: str) -> str:
        if not value:
            return value
        try:
            parts = urlsplit(value)
        except ValueError:
            raise ValueError(expected) from None
        if parts.scheme not in schemes or not parts.netloc:
            raise ValueError(expected)
        return value

    return parse


def _redis(value: str) -> str:
    if value.startswith(("redis+cluster://", "rediss+cluster://")):
        raise ValueError(
            "one Redis, or its Sentinels (redis+sentinel://…): a cluster keeps what must change together on different "
            "servers"
        )
    return _url("redis", "rediss", "redis+sentinel", "rediss+sentinel")(value)


def _peers(value: str) -> tuple[str, ...]:
    one = _url("http", "https")
    return tuple(one(each) for each in value.split())


def _origins(value: str) -> tuple[str, ...]:
    found = tuple(value.replace(",", " ").split())
    for each in found:
        parts = urlsplit(each)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path or parts.query or "@" in each:
            raise ValueError("origins like https://shop.example, without a path")
    return found


def _doors(value: str) -> tuple[tuple[int, str, str], ...]:
    found: list[tuple[int, str, str]] = []
    for each in value.replace(",", " ").split():
        match = re.fullmatch(r"(?:([A-Za-z0-9.-]{1,253}):)?(\d{1,5})=(open|closed)", each)
        if match is None or not 0 < int(match[2]) < 65_536:
            raise ValueError("ports like 443=open 22=closed db.shop.example:27017=closed")
        found.append((int(match[2]), match[3], match[1] or ""))
    return tuple(found)


def _steps(value: str) -> tuple[tuple[int, str], ...]:
    found: list[tuple[int, str]] = []
    for each in filter(None, (part.strip() for part in value.split(","))):
        match = re.fullmatch(r"([1-9]\d{0,3}) ([SUW][A-Z0-9]{2,})", each)
        if match is None or (found and int(match[1]) <= found[-1][0]):
            raise ValueError("steps like 10 S0123456789, 30 U0123456789, each later than the one before")
        found.append((int(match[1]), match[2]))
    return tuple(found)


def _yes_or_no(value: str) -> bool:
    if value not in {"yes", "no"}:
        raise ValueError("yes or no")
    return value == "yes"


def _line(value: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(value))
    except ValueError:
        raise ValueError("a program and its arguments, every quote closed") from None


def _key(value: str) -> bytes:
    if not value:
        return b""
    try:
        key = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != 32:
        raise ValueError("32 bytes in base64, as `openssl rand -base64 32` makes them")
    return key


def _schedule(value: str) -> str:
    if value == "off":
        return ""
    try:
        Schedule("backup", value)
    except ValueError as error:
        raise ValueError(f"{error}, or off") from None
    return value


def _zone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("the name of a time zone, like Asia/Tehran or Europe/Berlin") from None


def _languages(value: str) -> str:
    languages.chosen(value)
    return value


def _whole(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not least <= int(value) <= most:
            raise ValueError(f"a whole number from {least} to {most}")
        return int(value)

    return parse


def _words(pattern: str, expected: str) -> Callable[[str], tuple[str, ...]]:
    def parse(value: str) -> tuple[str, ...]:
        words = tuple(value.replace(",", " ").split())
        if not all(re.fullmatch(pattern, word) for word in words):
            raise ValueError(expected)
        return words

    return parse


_BECH32 = "[02-9ac-hj-np-z]"


def _page(value: str) -> str:
    expected = "an address that begins with https://, without a path (http:// on this machine only)"
    try:
        parts = urlsplit(value)
        here = parts.hostname in {"127.0.0.1", "localhost", "::1"}
    except ValueError:
        raise ValueError(expected) from None
    secure = parts.scheme == "https" or (parts.scheme == "http" and here)
    if value and not (secure and parts.netloc and parts.path in {"", "/"} and not parts.query and "@" not in value):
        raise ValueError(expected)
    return value


_CHANNEL = _matching(r"[CGD][A-Z0-9]{2,}", "a Slack channel id, like C0123456789")

SETTINGS = (
    Setting(
        "SLACK_MODE",
        _one_of("socket", "http"),
        "socket: the bot calls Slack; http: Slack calls the bot",
        default="socket",
    ),
    Setting(
        "SLACK_BOT_TOKEN",
        _matching(r"xoxb-\S+", "a token that begins with xoxb-"),
        "Bot token, as Slack issues it",
        "xoxb-…",
        secret=True,
    ),
    Setting(
        "SLACK_APP_TOKEN",
        _matching(r"xapp-\S+", "a token that begins with xapp-"),
        "App-level token with connections:write, for SLACK_MODE=socket",
        "xapp-…",
        secret=True,
    ),
    Setting("SLACK_SIGNING_SECRET", _text, "Signing secret, for SLACK_MODE=http", secret=True),
    Setting(
        "SLACK_API_URL",
        _url("https", "http"),
        "Slack's Web API, or any server that speaks it",
        default="https://slack.com/api/",
    ),
    Setting(
        "REDIS_URL",
        _redis,
        "Redis with maxmemory-policy noeviction and an append-only file, or its Sentinels",
        "redis://127.0.0.1:6379/0",
        secret=True,
    ),
    Setting(
        "MONGODB_URI",
        _url("mongodb", "mongodb+srv"),
        "The database to look after, with its name in the path",
        "mongodb://127.0.0.1:27017/shop",
        secret=True,
    ),
    Setting("BACKUP_DIR", _text, "Directory that keeps the backups; or give BACKUP_S3_URL", "/var/lib/negahban"),
    Setting(
        "BACKUP_S3_URL",
        _url("s3"),
        "Bucket that keeps the backups; endpoint and keys by boto3's own variables",
        "s3://bucket/prefix",
    ),
    Setting(
        "BACKUP_S3_TIMEOUT_SECONDS",
        _whole(5, 600),
        "How long the bucket may be silent in one request, of which three are made; what moves is never given up",
        default="45",
    ),
    Setting(
        "BACKUP_PITR",
        _yes_or_no,
        "yes: the oplog is saved all the time, so that any moment can be restored (replica sets only)",
        default="yes",
    ),
    Setting("BACKUP_PITR_DAYS", _whole(1, 366), "How many days back any moment can be restored", default="7"),
    Setting(
        "BACKUP_SCHEDULE",
        _schedule,
        "When a backup is made by itself, and old ones are looked at: a cron line of five fields, or off",
        default="0 2 * * *",
    ),
    Setting("BACKUP_TIME_ZONE", _zone, "The zone of that line, and of the days and weeks below", default="UTC"),
    Setting("BACKUP_KEEP_DAILY", _whole(7, 1000), "How many days keep their newest; never fewer than 7", default="7"),
    Setting("BACKUP_KEEP_WEEKLY", _whole(4, 1000), "How many weeks keep their first; never fewer than 4", default="4"),
    Setting("BACKUP_KEEP_HOURLY", _whole(0, 1000), "How many hours keep their newest copy", default="0"),
    Setting("BACKUP_KEEP_MONTHLY", _whole(0, 1000), "How many months keep their first copy", default="0"),
    Setting("BACKUP_KEEP_YEARLY", _whole(0, 1000), "How many years keep their first copy", default="0"),
    Setting("BACKUP_CATCH_UP_HOURS", _whole(0, 1000), "For how many hours a missed backup is still made", default="6"),
    Setting(
        "BACKUP_LOCK_MODE",
        _one_of("COMPLIANCE", "GOVERNANCE", "none"),
        "How a bucket with Object Lock locks backups; none: not at all",
        default="COMPLIANCE",
    ),
    Setting("BACKUP_ZSTD_LEVEL", _whole(1, 19), "How hard backups are compressed, 1 to 19", default="3"),
    Setting("BACKUP_ZSTD_THREADS", _whole(0, 64), "Threads that compress; 0: none of their own", default="2"),
    Setting(
        "BACKUP_AGE_RECIPIENTS",
        _words(f"age1{_BECH32}{{58}}", "public keys of age (age1…), as `age-keygen` prints them, with spaces between"),
        "Encrypts backups for these public keys of age; without them they are not encrypted",
        "age1…",
    ),
    Setting(
        "BACKUP_AGE_IDENTITY",
        _words(f"AGE-SECRET-KEY-1{_BECH32.upper()}{{58}}", "secret keys of age (AGE-SECRET-KEY-1…), or a key file"),
        "Secret keys of age that open encrypted backups; a host that only makes them needs none",
        secret=True,
        key_file=True,
    ),
    Setting(
        "SCRUB_SCHEDULE",
        _schedule,
        "When the backup that was checked longest ago is read from end to end: a cron line, or off",
        default="30 3,15 * * *",
    ),
    Setting(
        "DRILL_SCHEDULE",
        _schedule,
        "When the newest backup is restored in a scratch server: a cron line, or off",
        default="off",
    ),
    Setting("DRILL_MONGOD", _text, "The mongod that drills start: its path, or its name on PATH", default="mongod"),
    Setting("DRILL_DIR", _text, "Where it keeps its data meanwhile; without it, the system's temporary folder"),
    Setting(
        "DRILL_URI",
        _url("mongodb", "mongodb+srv"),
        "A scratch server for drills instead: never the live one, and started with ttlMonitorEnabled=false",
        "mongodb://127.0.0.1:27018/",
        secret=True,
    ),
    Setting(
        "DRILL_CHECK",
        questions.parsed,
        "What the team asks of restored data: a JSON list of collection, pipeline and at_least",
        '[{"collection": "orders", "pipeline": [], "at_least": 1}]',
    ),
    Setting(
        "NEGAHBAN_CONFIG",
        _text,
        "YAML file that names the other servers to which a backup may be restored",
        "/etc/negahban/config.yaml",
    ),
    Setting("MIGRATE_COMMAND", _text, "Runs after a restore, without a shell", "npm run migrate:up"),
    Setting(
        "RESTORE_UNDO_HOURS",
        _whole(0, 720),
        "How long what a restore replaced is kept beside the live data for an undo; 0: not at all",
        default="24",
    ),
    Setting(
        "RESTORE_BLOCK_WRITES",
        _yes_or_no,
        "yes: nobody else can write on the whole server while a restore switches (MongoDB 6.0 or newer)",
        default="no",
    ),
    Setting(
        "RESTORE_LOADER",
        _one_of("native", "mongorestore"),
        "What loads a backup: the bot by the driver, or mongorestore",
        default="native",
    ),
    Setting(
        "CHAT_LANGUAGE",
        _languages,
        "What cards are written in, en or fa; then channels and people with another: fa C0123456789=en U0123456789=en",
        default="en",
    ),
    Setting(
        "AUDIT_CHANNEL",
        _CHANNEL,
        "Channel that hears of changed second factors, broken glass and how far the audit record goes; or OPS_CHANNEL",
        "C0123456789",
    ),
    Setting("OPS_CHANNEL", _CHANNEL, "Channel for what nobody asked for in a channel of their own", "C0123456789"),
    Setting(
        "ALERTS_CHANNEL", _CHANNEL, "Channel for alerts that no rule of ALERTS_ROUTES sends elsewhere", "C0123456789"
    ),
    Setting(
        "ALERTMANAGER_URL",
        _peers,
        "Alertmanager, for what is silenced and to keep it quiet about what is acknowledged; several peers with blanks",
        "http://alertmanager:9093",
    ),
    Setting(
        "POLICY_FILE",
        _text,
        "YAML file: who may do what, and who must agree; without it every full member may",
    ),
    Setting("ALERTS_ROUTES", _text, "YAML file: which alerts go where, how bad they are, and how that looks"),
    Setting(
        "ALERTS_ESCALATION",
        _steps,
        "Whom to call when nobody acknowledges what is critical: minutes and the id of a user group or person",
        "10 S0123456789, 30 U0123456789",
    ),
    Setting(
        "PUBLIC_URL", _url("https", "http"), "The service's public address, for /health edge", "https://shop.example/"
    ),
    Setting("ALLOWED_ORIGINS", _origins, "Origins whose pages may read the service's answers, with blanks or commas"),
    Setting(
        "EDGE_PORTS",
        _doors,
        "Ports that must be open or closed from where the bot stands, at the public address or another host",
        "443=open 22=closed db.shop.example:27017=closed",
    ),
    Setting(
        "EDGE_CERTIFICATE",
        _text,
        "The certificate file that the proxy serves from, as the bot sees it: is what was renewed also loaded?",
        "/etc/letsencrypt/live/shop.example/fullchain.pem",
    ),
    Setting(
        "EDGE_NAMES",
        _words(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}(:[1-9]\d{0,4})?", "names like www.shop.example api.shop.example:8443"),
        "Other names that are served, whose certificates are looked at too",
        "www.shop.example api.shop.example:8443",
    ),
    Setting("HEALTH_QUERIES", _text, "YAML file with the questions of /health metrics; without it, the default ones"),
    Setting(
        "HEALTH_LOOK_MINUTES",
        _whole(0, 60),
        "How often the bot looks by itself, so that /health compare knows an hour ago; 0: never",
        default="15",
    ),
    Setting(
        "UPDATES_COMMAND",
        _line,
        "Prints which security updates a host waits for, as deploy/updates/host-updates does; runs without a shell",
        "ssh shop.example /usr/local/bin/host-updates",
    ),
    Setting(
        "LIFECYCLES_FILE",
        _text,
        "YAML file: until when series of Node, Electron and MongoDB are supported; without it, what came with the bot",
    ),
    Setting(
        "SCORECARD_SCHEDULE",
        _schedule,
        "When the readiness scorecard is looked at, and what changed is told: a cron line, or off",
        default="0 9 * * 1",
    ),
    Setting(
        "HEALTH_IAM",
        _yes_or_no,
        "yes: /health secrets reads the credential report of the AWS account, by boto3's own variables",
        default="no",
    ),
    Setting("RUNBOOKS_DIR", _text, "Folder of the team's runbooks; without it, those that come with the bot"),
    Setting("RUNBOOK_PROGRAMS", _text, "YAML file that says which programs steps of runbooks may run"),
    Setting(
        "ROLLBACK_BY",
        _one_of("command", "compose", "kubernetes"),
        "What takes services back: the team's own pair of commands, Docker Compose, or Kubernetes",
        default="command",
    ),
    Setting(
        "ROLLBACK_SERVICES",
        _words(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", "names with blanks between them"),
        "Which services of the Compose file, or which Deployments, go back; never a database",
        "backend worker",
    ),
    Setting(
        "ROLLBACK_COMPOSE_FILES",
        _line,
        "Compose: the project's files, with blanks, as they are given to -f; the bot never changes them",
        "/srv/shop/compose.yaml",
    ),
    Setting(
        "ROLLBACK_COMPOSE_PROJECT",
        _matching(r"[a-z0-9][a-z0-9_-]*", "a project's name: a-z, 0-9, - and _"),
        "Compose: the project's name, as `docker compose ls` says it",
        "shop",
    ),
    Setting(
        "ROLLBACK_LOOK_SECONDS",
        _whole(1, 3600),
        "Compose: how often what runs is noted while health is green; noted twice, it is known to be good",
        default="30",
    ),
    Setting("ROLLBACK_COMPOSE_COMMAND", _line, "Compose: how it is called", default="docker compose"),
    Setting("ROLLBACK_CONTAINER_COMMAND", _line, "Compose: how the engine is called", default="docker"),
    Setting("ROLLBACK_KUBERNETES_NAMESPACE", _text, "Kubernetes: where the Deployments are", default="default"),
    Setting(
        "ROLLBACK_KUBERNETES_CONFIG",
        _text,
        "Kubernetes: path of a kubeconfig; without it, the service account of the bot's own pod",
    ),
    Setting(
        "ROLLBACK_PLAN_COMMAND",
        _line,
        "Prints a line `service from to` for each service that would go back; needed for rollbacks",
        "/usr/local/bin/rollback-plan",
    ),
    Setting(
        "ROLLBACK_COMMAND",
        _line,
        "Takes services back; is given `service=to` for each, and runs without a shell",
        "/usr/local/bin/rollback",
    ),
    Setting("BACKEND_HEALTH_URL", _url("https", "http"), "The service's health address", "http://backend:3000/health"),
    Setting(
        "PROMETHEUS_URL",
        _url("https", "http"),
        "Prometheus, for plots in cards and questions in PromQL; with name:password@ when it wants them",
        "http://prometheus:9090",
        secret=True,
    ),
    Setting("ALERTS_STORM", _whole(1, 100), "New cards a minute in a channel before alerts share one", default="5"),
    Setting(
        "ALERTS_RESOLVE_REPLY",
        _yes_or_no,
        "Whether the thread of an alert's card is told when all of it is over; the card says it anyway",
        default="yes",
    ),
    Setting(
        "WEBHOOK_TOKEN",
        _text,
        "Bearer token that Alertmanager and CI jobs must send; without it, no webhooks",
        secret=True,
    ),
    Setting("SECRETS_CONFIG", _text, "YAML file that says which secrets /rotate looks after, and where they are kept"),
    Setting("VAULT_ADDR", _url("http", "https"), "Vault or OpenBao, for secrets that are kept there"),
    Setting("VAULT_TOKEN", _text, "Its token; or give the two below", secret=True),
    Setting("VAULT_ROLE_ID", _text, "AppRole: the role's id"),
    Setting("VAULT_SECRET_ID", _text, "AppRole: the secret id", secret=True),
    Setting(
        "BOT_URL",
        _page,
        "https address at which browsers reach this HTTP side, for the page of second factors; without it, no page",
        "https://negahban.shop.example",
    ),
    Setting(
        "HEARTBEAT_URL",
        _url("https", "http"),
        "Outside address that is asked while all is well, and raises an alarm when that ends; without it, none",
        "https://ping.example.org/your-key",
        secret=True,
    ),
    Setting("HEARTBEAT_SECONDS", _whole(10, 3600), "How often; its period there must be longer", default="60"),
    Setting(
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        _url("https", "http"),
        "OpenTelemetry collector (OTLP over HTTP) that gets traces; without it, none",
        "http://collector:4318",
    ),
    Setting(
        "OTEL_EXPORTER_OTLP_HEADERS",
        _text,
        "Headers that it wants, as the standard spells them: name=value,name=value",
        secret=True,
    ),
    Setting("HTTP_HOST", _text, "Where /livez, /readyz, /metrics and Slack's calls are answered", default="127.0.0.1"),
    Setting("HTTP_PORT", _whole(0, 65535), "Its port", default="8080"),
    Setting(
        "MASTER_KEY", _key, "32 bytes in base64: encrypts what the bot keeps about people's second factor", secret=True
    ),
    Setting("AUDIT_FILE", _text, "The audit record; without it, audit.jsonl in BACKUP_DIR"),
    Setting(
        "AUDIT_KEY",
        _key,
        "32 bytes in base64: the Ed25519 key that seals the audit record; without it, one made from MASTER_KEY",
        secret=True,
    ),
    Setting(
        "AUDIT_PUBLIC_KEYS",
        _words("[0-9a-f]{64}", "public keys of 64 hex digits, as `negahban audit key` prints them, with blanks"),
        "Public keys that sealed the audit record before, when AUDIT_KEY or MASTER_KEY was changed",
    ),
    Setting(
        "AUDIT_LOCK_DAYS",
        _whole(0, 3650),
        "How long copies of the audit record are locked in a bucket with Object Lock; 0: not at all",
        default="365",
    ),
    Setting("AUDIT_CHANNEL_MINUTES", _whole(1, 1440), "At most how often, in minutes", default="60"),
    Setting("LOG_LEVEL", _one_of("DEBUG", "INFO", "WARNING", "ERROR"), "How much is logged", default="INFO"),
    Setting("LOG_FORMAT", _one_of("json", "text"), "How it is logged", default="json"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """What the bot was given. Empty strings: not given."""

    slack_mode: str
    slack_bot_token: str
    slack_app_token: str
    slack_signing_secret: str
    slack_api_url: str
    redis_url: str
    mongodb_uri: str
    backup_dir: str
    backup_s3_url: str
    backup_s3_timeout_seconds: int
    backup_pitr: bool
    backup_pitr_days: int
    backup_schedule: str
    backup_time_zone: ZoneInfo
    backup_keep_daily: int
    backup_keep_weekly: int
    backup_keep_hourly: int
    backup_keep_monthly: int
    backup_keep_yearly: int
    backup_catch_up_hours: int
    backup_lock_mode: Literal["COMPLIANCE", "GOVERNANCE", "none"]
    backup_zstd_level: int
    backup_zstd_threads: int
    backup_age_recipients: tuple[str, ...]
    backup_age_identity: tuple[str, ...]
    scrub_schedule: str
    drill_schedule: str
    drill_mongod: str
    drill_dir: str
    drill_uri: str
    drill_check: tuple[questions.Question, ...]
    negahban_config: str
    migrate_command: str
    restore_undo_hours: int
    restore_block_writes: bool
    restore_loader: Literal["native", "mongorestore"]
    chat_language: str
    audit_channel: str
    ops_channel: str
    alerts_channel: str
    alertmanager_url: tuple[str, ...]
    policy_file: str
    alerts_routes: str
    alerts_escalation: tuple[tuple[int, str], ...]
    public_url: str
    allowed_origins: tuple[str, ...]
    edge_ports: tuple[tuple[int, Literal["open", "closed"], str], ...]
    edge_certificate: str
    edge_names: tuple[str, ...]
    health_queries: str
    health_look_minutes: int
    updates_command: tuple[str, ...]
    lifecycles_file: str
    scorecard_schedule: str
    health_iam: bool
    runbooks_dir: str
    runbook_programs: str
    rollback_by: Literal["command", "compose", "kubernetes"]
    rollback_services: tuple[str, ...]
    rollback_compose_files: tuple[str, ...]
    rollback_compose_project: str
    rollback_look_seconds: int
    rollback_compose_command: tuple[str, ...]
    rollback_container_command: tuple[str, ...]
    rollback_kubernetes_namespace: str
    rollback_kubernetes_config: str
    rollback_plan_command: tuple[str, ...]
    rollback_command: tuple[str, ...]
    backend_health_url: str
    prometheus_url: str
    alerts_storm: int
    alerts_resolve_reply: bool
    webhook_token: str
    secrets_config: str
    vault_addr: str
    vault_token: str
    vault_role_id: str
    vault_secret_id: str
    bot_url: str
    heartbeat_url: str
    heartbeat_seconds: int
    otel_exporter_otlp_endpoint: str
    otel_exporter_otlp_headers: str
    http_host: str
    http_port: int
    master_key: bytes
    audit_file: str
    audit_key: bytes
    audit_public_keys: tuple[str, ...]
    audit_lock_days: int
    audit_channel_minutes: int
    log_level: str
    log_format: str
    slack_bot_token_file: str = ""

    def __repr__(self) -> str:
        return "Settings(…)"


def read(environment: Mapping[str, str], *, slack: bool) -> Settings:
    """The settings. `slack`: Slack's tokens are needed. Raises SettingsError with everything that is wrong."""
    problems: list[str] = []
    values: dict[str, Any] = {}
    for setting in SETTINGS:
        try:
            values[setting.name.lower()] = setting.parse(_given(environment, setting))
        except ValueError as error:
            problems.append(f"{setting.name}: expected {error}")
            values[setting.name.lower()] = setting.parse("") if not setting.default else setting.parse(setting.default)
    problems += _missing(environment, values, slack=slack)
    if problems:
        raise SettingsError(problems)
    return Settings(**values, slack_bot_token_file=environment.get("SLACK_BOT_TOKEN_FILE", ""))


def _given(environment: Mapping[str, str], setting: Setting) -> str:
    value, path = environment.get(setting.name, ""), environment.get(f"{setting.name}_FILE", "")
    if value and path:
        raise ValueError(f"{setting.name} or {setting.name}_FILE, not both")
    if path:
        try:
            with Path(path).open("rb") as file:
                content = file.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                raise ValueError(f"a file of at most {MAX_FILE_BYTES} bytes in {setting.name}_FILE")
            value = content.decode().strip()
            if setting.key_file:
                value = " ".join(line for line in value.splitlines() if not line.startswith("#"))
        except OSError as error:
            raise ValueError(f"a readable file in {setting.name}_FILE ({error.strerror})") from error
        except UnicodeDecodeError:
            raise ValueError(f"text in the file of {setting.name}_FILE") from None
    if any(ord(character) < 32 for character in value):
        raise ValueError("one line without control characters")
    return value or setting.default


_NEEDED = {
    "REDIS_URL": "the address of a Redis",
    "MONGODB_URI": "the address of the database to look after",
    "MASTER_KEY": "32 bytes in base64, as `openssl rand -base64 32` makes them",
}
_NEEDED_BY_SLACK = {
    "socket": {
        "SLACK_BOT_TOKEN": "the bot token (xoxb-…) of your Slack app",
        "SLACK_APP_TOKEN": "the app-level token (xapp-…) of your Slack app, because SLACK_MODE is socket",
    },
    "http": {
        "SLACK_BOT_TOKEN": "the bot token (xoxb-…) of your Slack app",
        "SLACK_SIGNING_SECRET": "the signing secret of your Slack app, because SLACK_MODE is http",
    },
}


def _missing(environment: Mapping[str, str], values: Mapping[str, Any], *, slack: bool) -> list[str]:
    needed = dict(_NEEDED)
    if slack:
        needed |= _NEEDED_BY_SLACK[values["slack_mode"]]
    problems = [
        f"{name}: expected {what}; it is not set"
        for name, what in needed.items()
        if not environment.get(name) and not environment.get(f"{name}_FILE")
    ]
    uri = values["mongodb_uri"]
    if uri and not urlsplit(uri).path.strip("/"):
        problems.append("MONGODB_URI: expected the database's name in the path, like mongodb://host:27017/shop")
    if bool(values["backup_dir"]) == bool(values["backup_s3_url"]):
        problems.append("BACKUP_DIR, BACKUP_S3_URL: expected exactly one of the two")
    if bool(values["rollback_plan_command"]) != bool(values["rollback_command"]):
        problems.append("ROLLBACK_PLAN_COMMAND, ROLLBACK_COMMAND: expected both or neither")
    problems += _missing_for_rollbacks(values)
    if values["webhook_token"] and not values["alerts_channel"]:
        problems.append("ALERTS_CHANNEL: expected a channel, because WEBHOOK_TOKEN is set")
    if values["backup_s3_url"] and not values["audit_file"]:
        problems.append("AUDIT_FILE: expected a path, because BACKUP_S3_URL keeps no local files")
    return problems


_NEEDED_BY_ROLLBACKS = {
    "command": (),
    "compose": ("ROLLBACK_SERVICES", "ROLLBACK_COMPOSE_FILES", "ROLLBACK_COMPOSE_PROJECT", "BACKEND_HEALTH_URL"),
    "kubernetes": ("ROLLBACK_SERVICES", "BACKEND_HEALTH_URL"),
}


def _missing_for_rollbacks(values: Mapping[str, Any]) -> list[str]:
    by = values["rollback_by"]
    missing = [name for name in _NEEDED_BY_ROLLBACKS[by] if not values[name.lower()]]
    return [f"{name}: expected a value, because ROLLBACK_BY is {by}" for name in missing]
