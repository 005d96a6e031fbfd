"""`python -m bot <command>`: the command line of Negahban.

Exit codes: 0 it worked, 1 it did not, 2 the words or the settings were wrong.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from handlers.core.errors import Problem


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; the exit code."""
    options = _parser().parse_args(arguments)
    from bot import logs, settings, wiring  # after the words are read: `--help` needs none of it

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
    check.add_argument("--offline", action="store_true", help="look at the settings only")
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
    health.add_argument("words", nargs="*", metavar="SECTION", help="mongo, metrics, edge, backups or audit")
    runbook = commands.add_parser("runbook", help="looks at runbooks and writes reports of runs")
    runbook.add_argument("words", nargs="*", metavar="WORD", help="show NAME, runs, or report RUN (default: lists)")
    audit = commands.add_parser("audit", help="looks at the audit record")
    audit.add_argument("action", choices=["verify"], help="verify: 0 clean, 1 tampered, 2 incomplete")
    audit.add_argument("path", nargs="?", default="", metavar="PATH", help="another file than the configured one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
