"""A link: one connection over a wire, and the moment at which it is cut.

- It knows where requests begin and end, so that it is cut at the n-th request of a kind: before it, in the middle of
  it, when the server has done it and its answer is lost, or in the middle of the answer.
- How: `reset`; `close` (politely, in the middle); `half` (the server's side ends, the client's stays open); `silent` (a
  black hole: all stays open and nothing goes through); `late` (silent, and the request arrives when the test says so,
  when its client has long given up: a kernel still sends what was written before the close).
- Requests must say their Content-Length, and the next is only sent after the answer; that is how boto3 speaks.
"""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal, Protocol

How = Literal["reset", "close", "half", "silent", "late"]
At = Literal["before", "middle", "after", "answer"]
Then = Literal["refused", "silent", "mended"]
PIECE_BYTES = 64 * 1024
_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where it is cut, and how. `asked`: a pattern for method and path; `nth`: at which of those; `byte`: of the body
    in `middle`, of the answer's body in `answer`; -1: at half."""

    asked: str
    at: At
    how: How = "reset"
    then: Then = "refused"
    nth: int = 1
    byte: int = -1


class Ends(Protocol):
    """The wire, as a link sees it."""

    def met(self, asked: str) -> Cut | None:
        """The cut, when this request is the one."""

    def happen(self, cut: Cut, link: Link) -> None:
        """The moment has come, on this link."""


class Link:
    """One connection of a client, and the one to the server that stands behind it."""

    def __init__(self, wire: Ends, client: socket.socket) -> None:
        self._wire = wire
        self._client = client
        self._server = socket.socket()
        self._port = 0
        self._armed: Cut | None = None
        self._rest = b""
        self.late = b""
        self.hangs = False

    def begin(self, port: int) -> None:
        """Connects to the server, and passes on."""
        self._port = port
        try:
            self._server.connect(("127.0.0.1", port))
        except OSError:
            self.end("reset")
            return
        for work in (self._up, self._down):
            threading.Thread(target=self._pump, args=(work,), name=f"wire{work.__name__}", daemon=True).start()

    def end(self, how: How) -> None:
        """What becomes of it."""
        match how:
            case "silent" | "late":
                self.hangs = True
            case "half":
                self.hangs = True
                with suppress(OSError):
                    self._client.shutdown(socket.SHUT_WR)
            case "close":
                _closed(self._client)
                _closed(self._server)
            case "reset":
                _reset(self._client)
                _reset(self._server)

    def deliver(self) -> None:
        """Sends what is late, and waits until it was done. By a connection of its own: the server may have closed the
        one on which it has waited."""
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            server.sendall(self.late)
            said = b""
            while said.count(b"HTTP/1.1 ") == said.count(b"HTTP/1.1 100"):
                said += _more(server)
        self.end("reset")

    def _pump(self, work: Callable[[], None]) -> None:
        with suppress(OSError):
            work()
        if not self.hangs:
            self.end("close")

    def _up(self) -> None:
        """From the client to the server, request by request."""
        while True:
            head = self._read_head()
            if not head or self.hangs:
                return
            method, path, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ", 2)
            found = _LENGTH.search(head)
            length = int(found[1]) if found else 0
            cut = self._wire.met(f"{method} {path}")
            if cut is not None and cut.how == "late":
                self.late = head + self._body(length, head)
            if cut is not None and cut.at == "middle":
                self._half(cut, head, length)
            if cut is not None and cut.at in {"before", "middle"}:
                self._wire.happen(cut, self)
                return
            self._armed = cut
            self._server.sendall(head)
            self._forward(length)

    def _half(self, cut: Cut, head: bytes, length: int) -> None:
        if length == 0:
            self._server.sendall(head[: len(head) // 2])
        else:
            self._server.sendall(head)
            self._forward(length // 2 if cut.byte < 0 else cut.byte)

    def _forward(self, count: int) -> None:
        while count > 0:
            piece = self._rest[:count] or self._client.recv(min(count, PIECE_BYTES))
            self._rest = self._rest[len(piece) :] if self._rest else b""
            if not piece or self.hangs:
                raise OSError("the client ended, or all is silent")
            self._server.sendall(piece)
            count -= len(piece)

    def _body(self, length: int, head: bytes) -> bytes:
        if b"100-continue" in head.lower() and length:
            self._client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        while len(self._rest) < length:
            self._rest += _more(self._client)
        return self._rest[:length]

    def _read_head(self) -> bytes:
        while _END not in self._rest:
            piece = self._client.recv(PIECE_BYTES)
            if not piece:
                return b""
            self._rest += piece
        head, _, self._rest = self._rest.partition(_END)
        return head + _END

    def _down(self) -> None:
        """From the server to the client; what answers the request where it is cut is looked at."""
        while piece := self._server.recv(PIECE_BYTES):
            if self.hangs:
                return
            if self._armed is not None:
                piece = self._until_cut(self._armed, piece)
            self._client.sendall(piece)

    def _until_cut(self, cut: Cut, piece: bytes) -> bytes:
        """Passes on the answer up to where it is cut; a piece that is only `100 Continue` is given back."""
        while _END not in piece:
            piece += _more(self._server)
        if piece.startswith(b"HTTP/1.1 100"):
            head, _, piece = piece.partition(_END)
            if not piece:
                return head + _END
            self._client.sendall(head + _END)
        if cut.at == "answer":
            head, _, body = piece.partition(_END)
            found = _LENGTH.search(head)
            count = (int(found[1]) // 2 if found else 0) if cut.byte < 0 else cut.byte
            while len(body) < count:
                body += _more(self._server)
            self._client.sendall(head + _END + body[:count])
        self._wire.happen(cut, self)
        raise OSError("it was cut")


def _more(end: socket.socket) -> bytes:
    """What comes next. Raises OSError when nothing will."""
    piece = end.recv(PIECE_BYTES)
    if not piece:
        raise OSError("it ended in the middle")
    return piece


def _closed(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)  # wakes who reads
    end.close()


def _reset(end: socket.socket) -> None:
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Who waits in recv keeps the connection open in the kernel, so it is woken first.
        end.shutdown(socket.SHUT_RD)
    end.close()
