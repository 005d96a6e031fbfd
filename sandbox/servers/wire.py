"""A wire between a client that speaks HTTP and a server on loopback, that can be cut where a test says (see link.py).

- What else goes over it when it is cut shares that fate: it is reset, or goes silent.
- Until it is mended, nobody listens, or whoever connects is heard by nobody.
"""

from __future__ import annotations

import re
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

from sandbox.servers.link import Cut, Link
from sandbox.servers.ports import free_port


class Wire:
    """A loopback address that leads to a port, as long as it is whole."""

    def __init__(self, port: int) -> None:
        """`port`: the server's."""
        self.port = free_port()
        self.connections = 0
        self.requests: list[str] = []
        self.done = threading.Event()
        """That the cut has come."""
        self._server = port
        self._lock = threading.RLock()
        self._cut: Cut | None = None
        self._met = 0
        self._silent = False
        self._listening: socket.socket | None = None
        self._links: list[Link] = []

    @property
    def url(self) -> str:
        """Where the client connects to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def broken(self) -> bool:
        """Whether nothing new goes over it now."""
        with self._lock:
            return self._silent or self._listening is None

    def cut(self, cut: Cut) -> None:
        """From now on, waits for that moment."""
        with self._lock:
            self._cut, self._met = cut, 0
            self.requests.clear()
            self.done.clear()

    def mend(self) -> None:
        """All goes through again; what hung is reset, but for what is late. May be repeated."""
        with self._lock:
            self._cut, self._silent = None, False
            for each in [each for each in self._links if each.hangs and not each.late]:
                each.end("reset")
                self._links.remove(each)
            if self._listening is None:
                self._listen()

    def arrive(self) -> int:
        """What is late comes to the server, and is answered to nobody; how many requests."""
        with self._lock:
            late = [each for each in self._links if each.late]
            for each in late:
                each.deliver()
                self._links.remove(each)
            return len(late)

    def met(self, asked: str) -> Cut | None:
        """The cut, when this request is the one."""
        with self._lock:
            self.requests.append(asked)
            if self._cut is None or re.search(self._cut.asked, asked) is None:
                return None
            self._met += 1
            if self._met != self._cut.nth:
                return None
            cut, self._cut = self._cut, None
            return cut

    def happen(self, cut: Cut, link: Link) -> None:
        """The moment has come, on this link."""
        with self._lock:
            link.end(cut.how)
            if cut.then != "mended":
                for each in (each for each in self._links if each is not link):
                    each.end("silent" if cut.then == "silent" else "reset")
            self._silent = cut.then == "silent"
            if cut.then == "refused":
                self._close()
        self.done.set()

    def _listen(self) -> None:
        listening = socket.create_server(("127.0.0.1", self.port), backlog=64)
        self._listening = listening
        threading.Thread(target=self._accept, args=(listening,), name="wire", daemon=True).start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                link = Link(self, client)
                self._links.append(link)
                if self._silent:
                    link.hangs = True
                elif self._listening is listening:
                    link.begin(self._server)
                else:
                    link.end("reset")

    def _close(self) -> None:
        if self._listening is not None:
            with suppress(OSError):
                self._listening.shutdown(socket.SHUT_RDWR)  # wakes who accepts
            self._listening.close()
            self._listening = None

    def __enter__(self) -> Self:
        with self._lock:
            self._listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._close()
            for each in self._links:
                each.end("reset")
