"""How much of everything is tried. The variable CHAOS says it:

- empty (`make test`): a few points of each kind.
- `points` (`make chaos`): every point, each briefly.
- `full` (`make chaos CHAOS=full`): every point, and everything as large and as long as it is promised. Hours.
"""

from __future__ import annotations

import os

FULL = os.environ.get("CHAOS") == "full"
EVERY_POINT = FULL or os.environ.get("CHAOS") == "points"
