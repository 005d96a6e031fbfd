"""`python -m bot` with the relay's patience cut by twenty, for a local Slack whose limits run twenty times faster.

- Only waits are shorter: the lease lives as long as ever, and every step and safeguard is the real one.
"""

from __future__ import annotations

import sys

from bot.__main__ import main
from bot.relay import budget, steps, waits

FASTER = 20.0


def hurry() -> None:
    """Cuts the waits of this process."""
    budget.POST_SECONDS /= FASTER
    budget.WINDOW_SECONDS /= FASTER
    steps.EDIT_SECONDS /= FASTER
    steps.END_SECONDS /= FASTER
    waits.LOOK_SECONDS /= FASTER
    waits.MOST_WAIT_SECONDS /= FASTER


if __name__ == "__main__":
    hurry()
    sys.exit(main())
