"""The Plotter port: starts the child, waits for it, and says in plain words what went wrong."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from bot.adapters.plots.order import PICTURE_BYTES, Ending, Order, SheetOrder
from handlers.core.alerts.plots import Panel
from handlers.core.words.errors import OutsideError
from handlers.core.words.text import Seconds, Text

LIMIT_SECONDS = 15.0
_CHILD = (sys.executable, "-m", "bot.adapters.plots")
# The child must be this very code, wherever the bot was started.
_ROOT = Path(__file__).parents[3]
_INHERITED = ("PATH", "HOME", "SSL_CERT_FILE")
# One thread each: by default there is one for every core, and each takes of the address space that is allowed.
_THREADS = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
_PNG = b"\x89PNG\r\n\x1a\n"
_WORDS = {
    Ending.AWAY: Text("Prometheus does not answer."),
    Ending.DENIED: Text("Prometheus does not let the bot ask. Look at the credentials in PROMETHEUS_URL."),
    Ending.NOT_UNDERSTOOD: Text("Prometheus does not understand the expression of this alert."),
    Ending.ELSEWHERE: Text("PROMETHEUS_URL leads to another address. Set it to Prometheus's own."),
    Ending.NOT_PROMETHEUS: Text("What answers at PROMETHEUS_URL is not Prometheus."),
}
_PERMANENT = frozenset({Ending.NOT_UNDERSTOOD})


class Plots:
    """The Plotter and Sketcher ports. One picture at a time, in a child process."""

    def __init__(
        self, prometheus_url: str, *, limit_seconds: float = LIMIT_SECONDS, child: Sequence[str] = _CHILD
    ) -> None:
        """`prometheus_url`: where Prometheus is, with a name and password in it when it wants them."""
        self._address = prometheus_url.rstrip("/")
        self._limit_seconds = limit_seconds
        self._child = tuple(child)
        self._one = threading.Lock()

    def plot(self, expression: str, title: str, until: datetime, threshold: float | None) -> bytes | None:
        """See the port."""
        if until.utcoffset() is None:
            raise ValueError("a time without a zone")
        return self._picture(Order(self._address, expression, title, until.timestamp(), threshold))

    def sheet(self, panels: Sequence[Panel], until: datetime) -> bytes:
        """See Sketcher."""
        if until.utcoffset() is None:
            raise ValueError("a time without a zone")
        picture = self._picture(SheetOrder(self._address, tuple(panels), until.timestamp()))
        if picture is None:
            raise OutsideError(Text("The plot could not be drawn: there is no picture."))
        return picture

    def _picture(self, order: Order | SheetOrder) -> bytes | None:
        with self._one, tempfile.TemporaryDirectory(prefix="negahban-plot-") as folder:
            return_code, picture = self._drawn(order, folder)
        if return_code in _WORDS:
            ending = Ending(return_code)
            raise OutsideError(_WORDS[ending], permanent=ending in _PERMANENT)
        if return_code != Ending.DRAWN:
            raise OutsideError(Text("The plot could not be drawn ({code}).", code=return_code))
        if not picture:
            return None
        if not picture.startswith(_PNG) or len(picture) > PICTURE_BYTES:
            raise OutsideError(Text("The plot could not be drawn: what came is no picture that a card can show."))
        return picture

    def _drawn(self, order: Order | SheetOrder, folder: str) -> tuple[int, bytes]:
        inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
        try:
            process = subprocess.Popen(
                self._child,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd=_ROOT,
                env={**inherited, **_THREADS, "MPLCONFIGDIR": folder},
                start_new_session=True,
            )
        except OSError as error:
            raise OutsideError(Text("The plot could not be drawn: {why}.", why=error.strerror or "")) from error
        with process:
            try:
                picture, _ = process.communicate(order.packed(), self._limit_seconds)
            except subprocess.TimeoutExpired as late:
                raise OutsideError(
                    Text("The plot was not drawn within {limit}.", limit=Seconds(self._limit_seconds))
                ) from late
            finally:
                process.kill()
        return process.returncode, picture
