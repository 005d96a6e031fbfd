"""A process that follows the oplog and kills itself with SIGKILL at a breaking point of a slice's upload.

`python -m tests.chaos.doomed_follower POINT`, with what it needs as JSON on standard input (`seconds`: how long a
slice is). Points: `slice.N.before`, `half.N.before` (half of its bytes are written), `placed.N.before` (all are, but it
has no name yet), `slice.N.after`; none of them when it is killed from outside.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from datetime import datetime
from pathlib import Path

from bot.adapters.store_directory import DirectoryStore, DirectoryUpload
from handlers.core.backups.timelines import Follower
from tests.chaos.house import SHOP, Break, house

SECONDS = 180


class SliceStore(DirectoryStore):
    """The real one, with moments in the upload of a slice."""

    breaking = Break()

    def put_new(self, key: str, data: bytes, *, lock_until: datetime | None = None) -> bool:
        self.breaking.at("slice", "before")
        upload, middle = DirectoryUpload(self, key), len(data) // 2
        try:
            upload.write(data[:middle])
            self.breaking.at("half", "before")
            upload.write(data[middle:])
            self.breaking.at("placed", "before")
            stored = upload.place()
        finally:
            upload.abort()
        self.breaking.at("slice", "after")
        return stored


def main() -> None:
    """Follows, and dies; ends with 3 when the point was never reached."""
    given = json.load(sys.stdin)
    store = SliceStore(Path(given["folder"]))
    store.breaking = Break(sys.argv[1], lambda: os.kill(os.getpid(), signal.SIGKILL))
    built = house(given["uri"], given["redis"], Path(given["folder"]), given["path"])
    follower = Follower(SHOP, built.database, store, built.clock)
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        follower.step(lambda: True, seconds=given.get("seconds", 0.5))
    sys.exit(3)


if __name__ == "__main__":
    main()
