"""`negahban audit …`: what an auditor asks on the host's terminal."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from bot import terminal
from bot.adapters.audit_file import read_lines
from bot.settings import Settings
from bot.wiring.backups import artifact_store
from bot.wiring.recording import Recording, elsewhere, recording_of
from handlers.core.sealing import controls, exports
from handlers.core.words.errors import Refusal
from handlers.core.words.text import Code, Text


def audited(given: Settings, options: Namespace) -> int:
    """Runs one of them: the exit code."""
    recording = recording_of(given, artifact_store(given))
    match options.action:
        case "key":
            print(recording.signer.public)
            return 0
        case "verify" if options.path.startswith("s3://"):
            return _copies(given, options.path)
        case "verify":
            path = Path(options.path) if options.path else recording.path
            return terminal.audit_verdict(recording.examine(read_lines(path)), str(path))
        case "export":
            return _export(recording, wanted(options), options.out)
        case "evidence":
            title = f"Evidence from the audit record, {options.first} to {options.last or 'its end'}"
            print(controls.table(controls.evidence(recording.lines(), wanted(options)), title))
            return 0
        case other:
            raise AssertionError(f"no action {other}")


def wanted(options: Namespace) -> exports.Range:
    """The range of the command line. Raises Refusal."""
    return exports.asked((options.first, options.last or ("9999-12-31" if "-" in options.first else "9" * 12)))


def _export(recording: Recording, wanted_range: exports.Range, out: str) -> int:
    made, _ = exports.proved(recording.lines, recording.examine, recording.seal, wanted_range)
    path = Path(out or made.name)
    try:
        with path.open("xb") as file:
            file.write(made.data)
    except OSError as error:
        raise Refusal(Text("{path}: {why}", path=Code(str(path)), why=error.strerror or "cannot be written")) from error
    print(f"{path}: records {made.first} to {made.last}, and on to the seal, record {made.through}.")
    print(f"  python3 verify_audit.py {path} --key {recording.signer.public}")
    return 0


def _copies(given: Settings, where: str) -> int:
    archive, examine = elsewhere(given, where)
    chains = sorted({each.chain for each in archive.segments()})
    if not chains:
        print(f"{where}: there are no copies of an audit record here")
        return 2
    return max(terminal.audit_verdict(examine(archive.lines(chain)), f"{where} {chain}") for chain in chains)
