"""`python -m bot <command>`: the command line of Negahban.

Exit codes: 0 it worked, 1 it did not, 2 the words or the settings were wrong.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from bot import completion
from handlers.core.words.errors import Problem

OWNERS = "chown -R 10001:10001 secrets && chown 999 secrets/redis_acl && chown 472 secrets/grafana_password"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.command == "completion":
        print(completion.script(parser, options.shell), end="")
        return 0
    from bot import lean  # after the words are read: `--help` needs none of it

    lean.redis_alone()
    from bot import logs, settings, wiring

    if options.command == "init":
        return _init(options)
    try:
        given = settings.read(os.environ, slack=options.command in {"run", "serve", "check"})
    except settings.SettingsError as error:
        print("These settings are wrong; nothing was started:", file=sys.stderr)
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        return 2
    logs.set_up(given.log_level, given.log_format)
    try:
        return wiring.command(given, options)
    except Problem as problem:
        print(str(problem), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _init(options: argparse.Namespace) -> int:
    """Writes an installation; for a host everything is then reached, by the settings as they were written."""
    import secrets

    from bot.installation import ENVIRONMENT
    from bot.installing import Installing
    from bot.settings import SETTINGS

    folder = Path(options.directory)
    asks = sys.stdin.isatty() and not options.no_questions
    installing = Installing({each.name: each for each in SETTINGS}, asks)
    try:
        installing.told(options.set, options.secret)
        shape = options.shape or (input("Where will it run, compose or host? ").strip() if asks else "")
        made = installing.install(shape, options.public_name, folder, secrets.token_bytes)
    except Problem as problem:
        print(str(problem), file=sys.stderr)
        return 1
    except (KeyboardInterrupt, EOFError):
        return 130
    print("Written:", *(f"  {folder / each.name}" for each in made), sep="\n")
    if shape == "compose":
        print(
            "Keep a copy of secrets/master_key where neither this host nor the backups are. Then:",
            *([f"  {OWNERS}"] if os.geteuid() else []),
            "  docker compose up -d && docker compose run --rm serve check",
            sep="\n",
        )
        return 0
    print(
        f"Keep a copy of secrets/master_key elsewhere. To start: set -a; . {folder / ENVIRONMENT}; set +a; negahban run"
    )
    if options.no_check:
        return 0
    for word in shlex.split((folder / ENVIRONMENT).read_text()):
        name, _, value = word.partition("=")
        os.environ[name] = value
    return main(["check"])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="negahban", description="The watchman: backs up and restores MongoDB from Slack."
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="everything in one process tree: for one machine")
    commands.add_parser("serve", help="the Slack and web side; any number of them")
    worker = commands.add_parser("worker", help="the jobs side; any number of them")
    worker.add_argument("--child", action="store_true", help="end when standard input is closed (used by `run`)")
    check = commands.add_parser("check", help="reaches every configured system; a table")
    check.add_argument("--offline", action="store_true", help="look at the settings and the runbooks only")
    _add_set_up(commands)
    enroll = commands.add_parser("enroll", help="enrols a person's second factor; shows a QR code here")
    enroll.add_argument("user", metavar="USER_ID", help="the person's Slack id, like U0123456789")
    commands.add_parser("backup", help="makes a backup now")
    commands.add_parser("backups", help="lists the backups")
    restore = commands.add_parser("restore", help="restores a backup; asks for a code")
    restore.add_argument(
        "words",
        nargs="+",
        metavar="ID",
        help="a backup's id, latest, or a time like 2026-11-23T14:05:30+03:30; then as in Slack: "
        "[TARGET] [only NAME,NAME] [into DATABASE]; or: undo JOB",
    )
    restore.add_argument("--as", dest="person", metavar="USER_ID", help="whose code confirms it (default: asks)")
    verify = commands.add_parser("verify", help="reads a backup from end to end: its checksum, and what is in it")
    verify.add_argument(
        "backup", metavar="ID", nargs="*", help="a backup's id, or latest (default: checked longest ago)"
    )
    drill = commands.add_parser("drill", help="restores a backup where nobody works, and says how long that took")
    drill.add_argument("backup", metavar="ID", nargs="*", help="a backup's id (default: latest)")
    policy = commands.add_parser("policy", help="asks the policy file, as the bot does")
    policy.add_argument("action", choices=["who-can"], help="who-can: everybody who may, and who must agree")
    policy.add_argument("operation", metavar="OPERATION", help="like restore, backup or rotate")
    policy.add_argument("target", nargs="?", default="", metavar="TARGET", help="a target's name (default: any)")
    health = commands.add_parser("health", help="looks at everything: 0 all well, 1 something is wrong or not known")
    health.add_argument("words", nargs="*", metavar="SECTION", help="a section; audit: the scorecard")
    health.add_argument("--format", choices=["text", "markdown", "json"], default="text", help="how it is printed")
    runbook = commands.add_parser("runbook", help="looks at runbooks and writes reports of runs")
    runbook.add_argument("words", nargs="*", metavar="WORD", help="show NAME, runs, or report RUN (default: lists)")
    audit = commands.add_parser("audit", help="looks at the audit record")
    audit.add_argument(
        "action",
        choices=["verify", "key", "export", "evidence"],
        help="verify: 0 clean, 1 tampered, 2 incomplete; key: the public key that seals it; export: a range that "
        "proves itself; evidence: which entries show which control of SOC 2 and ISO 27001",
    )
    audit.add_argument(
        "path", nargs="?", default="", metavar="PATH", help="another file than the configured one, or s3://…"
    )
    audit.add_argument("--from", dest="first", default="0", metavar="WHERE", help="a record's number, or a day")
    audit.add_argument("--to", dest="last", default="", metavar="WHERE", help="the same; default: the end")
    audit.add_argument("--out", default="", metavar="FILE", help="where the export goes (default: its own name)")
    return parser


def _add_set_up(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    init = commands.add_parser("init", help="asks a few questions and writes the files of an installation; then checks")
    init.add_argument("--for", dest="shape", choices=["compose", "host"], help="where it will run (default: asks)")
    init.add_argument("--directory", default=".", metavar="DIR", help="where the files go; for compose: deploy/compose")
    init.add_argument("--public-name", default="", metavar="HOST", help="its name outside, when something comes in")
    init.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting that is no secret")
    init.add_argument("--secret", action="append", default=[], metavar="NAME=FILE", help="a secret, from a file")
    init.add_argument("--no-questions", action="store_true", help="fail instead of asking, for scripts")
    init.add_argument("--no-check", action="store_true", help="do not reach anything afterwards")
    shells = commands.add_parser("completion", help='prints what a shell completes: eval "$(negahban completion bash)"')
    shells.add_argument("shell", choices=completion.SHELLS)


if __name__ == "__main__":
    sys.exit(main())
