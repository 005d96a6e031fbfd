"""A local AWS account as a server: Secrets Manager, IAM and STS, with an administrator's key pair.

It forgets everything when it ends, and it is alone: nothing of it leaves loopback.
"""

from __future__ import annotations

from sandbox.aws.server import GateServer


class AwsAccount(GateServer):
    """One account; its faults are `error`, `cut` and `lost`. Its clock can be put forward; a new access key works
    everywhere only after a while."""

    name = "aws-account"
    module = "sandbox.aws.account_gate"

    def heal(self) -> None:
        """Forgets all faults and counts, and that keys need time."""
        super().heal()
        self._control("propagation", 0)

    def propagates(self, seconds: float) -> None:
        """How long a new or changed access key is known in some places and not in others."""
        self._control("propagation", seconds)

    def advance(self, seconds: float) -> None:
        """Puts the clock forward."""
        self._control("advance", seconds)

    def deleted(self) -> dict[str, str]:
        """The access keys that were deleted, and the status each had then."""
        return dict(self._control("deleted", None))
