"""What is mutated, and which tests must notice: the ones that are about it, so that a run takes minutes."""

from __future__ import annotations

from dataclasses import dataclass

CORE = "handlers/core"
HANDLERS = "tests/handlers"


@dataclass(frozen=True, slots=True)
class Target:
    """A module, the files of its tests, and what is chosen of them (`-k`)."""

    module: str
    tests: tuple[str, ...]
    chosen: str = ""


TARGETS = (
    Target(f"{CORE}/door/approval.py", (f"{HANDLERS}/test_approval.py", f"{HANDLERS}/test_waits.py")),
    Target(
        f"{CORE}/door/consent.py",
        tuple(f"{HANDLERS}/test_{name}.py" for name in ("consent", "agreements", "glass", "desk")),
        "not TestOperations",
    ),
    Target(
        f"{CORE}/door/permits.py", (f"{HANDLERS}/test_consent.py", f"{HANDLERS}/test_desk.py"), "not TestOperations"
    ),
    Target(f"{CORE}/door/denials.py", (f"{HANDLERS}/test_denials.py",)),
    Target(f"{CORE}/door/policy.py", (f"{HANDLERS}/test_desk.py", f"{HANDLERS}/test_what_is_recorded.py")),
    Target(f"{CORE}/door/rules.py", (f"{HANDLERS}/test_rules.py",), "not whatever_is_in_the_file"),
    Target(f"{CORE}/door/policy_data.py", (f"{HANDLERS}/test_rules.py",), "not whatever_is_in_the_file"),
    Target(f"{CORE}/door/policy_lint.py", (f"{HANDLERS}/test_rules.py",), "not whatever_is_in_the_file"),
    Target(f"{CORE}/door/glass.py", (f"{HANDLERS}/test_glass.py",)),
    Target(f"{CORE}/door/freezes.py", (f"{HANDLERS}/test_freezes.py", f"{HANDLERS}/test_rules.py")),
    Target(f"{CORE}/sealing/handovers.py", (f"{HANDLERS}/test_seals.py",)),
    Target(f"{CORE}/words/audit.py", (f"{HANDLERS}/test_audit.py", f"{HANDLERS}/test_seals.py")),
    Target(f"{CORE}/sealing/seals.py", (f"{HANDLERS}/test_seals.py", f"{HANDLERS}/test_notary.py")),
    Target(f"{CORE}/sealing/segments.py", (f"{HANDLERS}/test_seals.py", f"{HANDLERS}/test_notary.py")),
    Target(f"{CORE}/sealing/examination.py", (f"{HANDLERS}/test_seals.py",)),
    Target(f"{CORE}/sealing/exports.py", (f"{HANDLERS}/test_exports.py",)),
    Target(f"{CORE}/sealing/notary.py", (f"{HANDLERS}/test_notary.py",)),
    Target(f"{CORE}/sealing/heads.py", (f"{HANDLERS}/test_heads.py", f"{HANDLERS}/test_notary.py")),
    Target(f"{CORE}/sealing/witness.py", (f"{HANDLERS}/test_notary.py",)),
    Target(f"{CORE}/rotation/recorded_secrets.py", (f"{HANDLERS}/test_what_is_recorded.py",)),
    Target("bot/adapters/signing.py", (f"{HANDLERS}/test_seals.py",)),
    Target("bot/adapters/audit_file.py", ("tests/contracts/test_audit.py", f"{HANDLERS}/test_notary.py"), "not killed"),
)
