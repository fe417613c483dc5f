"""The one line between the examiner and a room: framed messages over a Unix stream socket.

A frame is the length of the message's text and that of its blob, then both. Whoever reads assumes that the other side writes
whatever it likes, and as slowly as it likes.
"""

from __future__ import annotations

import math
import select
import socket
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from autograder.decoding import decode
from autograder.encoding import encode
from autograder.message import Closed, Late, Malformed, TooLarge, Unsendable, WireError

__all__ = ["Channel", "Closed", "Late", "Malformed", "TooLarge", "Unsendable", "WireError"]

HEADER = struct.Struct(">QQ")


class Channel:
    """One end of the line; the connection is the channel's from now on. For one thread.

    `largest` is what a message may have, in bytes without the header, either way. `opaque` describes what is no data in a
    small dict of data, and `reveal` makes something of such a dict on the other side. Deadlines are `time.monotonic()`'s.

    An interrupt (KeyboardInterrupt) loses nothing: `receive`, called again, goes on where it was, and what a `send` has begun
    goes out before anything else does, in the next call of either. Whether an interrupted `send` had begun is not told:
    who must know blocks the signal meanwhile.
    """

    def __init__(
        self,
        connection: socket.socket,
        largest: int,
        opaque: Callable[[object], dict[Any, Any]] | None = None,
        reveal: Callable[[dict[Any, Any]], object] | None = None,
    ) -> None:
        connection.setblocking(False)
        self.largest = largest
        self._socket = connection
        self._opaque, self._reveal = opaque, reveal
        self._incoming = _nothing()
        self._outgoing = memoryview(b""), [0]

    def send(self, message: Mapping[str, Any], deadline: float | None = None) -> None:
        """Raises Unsendable or TooLarge, and nothing is sent; Closed; Late, and the rest goes out before the next message."""
        text, blob = encode(message, self.largest, self._opaque)
        frame = b"".join([HEADER.pack(len(text), len(blob)), text, blob])
        self._flush(deadline)
        self._outgoing = memoryview(frame), [0]
        self._flush(deadline)

    def receive(self, deadline: float | None = None) -> dict[str, Any]:
        """The next message. Raises Closed, Late, Malformed and TooLarge: then close the line."""
        with suppress(Closed):  # who is gone may have answered before
            self._flush(deadline)
        self._fill(HEADER.size, deadline)
        frame, counts = self._incoming
        text, blob = HEADER.unpack_from(frame)
        end = HEADER.size + text + blob
        if text + blob > self.largest:
            raise TooLarge(
                f"a message of {text + blob:,} bytes was announced, at most {self.largest:,} are taken. Close the line."
            )
        if len(frame) != end:
            whole = bytearray(end)
            whole[: HEADER.size] = frame
            self._incoming = memoryview(whole), counts
        self._fill(end, deadline)
        frame, _ = self._incoming
        middle = HEADER.size + text
        try:
            message = decode(bytes(frame[HEADER.size : middle]), bytes(frame[middle:]), self._reveal, deadline)
        except (Malformed, TooLarge):
            self._incoming = _nothing()
            raise
        nothing = _nothing()
        self._incoming = nothing  # the last step: an interrupt comes before it or after the return
        return message

    def fileno(self) -> int:
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()

    def _fill(self, end: int, deadline: float | None) -> None:
        self._move(*self._incoming, end, self._socket.recv_into, select.POLLIN, deadline)

    def _flush(self, deadline: float | None) -> None:
        frame, counts = self._outgoing
        if sum(counts) < len(frame):
            self._move(frame, counts, len(frame), self._socket.send, select.POLLOUT, deadline)

    def _move(
        self,
        frame: memoryview,
        counts: list[int],
        end: int,
        step: Callable[[memoryview], int],
        event: int,
        deadline: float | None,
    ) -> None:
        """Moves bytes between the frame and the socket until `end`; `counts` adds up to how many there were so far.

        No interrupt comes between a step and its count: both happen inside of one call of `extend`.
        """
        while (done := sum(counts)) < end:
            counts[:] = [done]
            try:
                counts.extend(map(step, (frame[done:end],)))
                if not counts[-1]:
                    raise Closed("the other side is gone" + " in the middle of a message" * bool(done))
            except BlockingIOError:
                pass
            except OSError as error:
                raise Closed(f"the other side is gone: {error}") from error
            if sum(counts) < end:
                self._wait(event, deadline)

    def _wait(self, event: int, deadline: float | None) -> None:
        left = math.inf if deadline is None else deadline - time.monotonic()
        if left <= 0:
            raise Late("the other side took too long. Give it more time, or close the line.")
        poll = select.poll()
        poll.register(self._socket, event)
        poll.poll(math.ceil(min(left, 3600) * 1000))


def _nothing() -> tuple[memoryview, list[int]]:
    return memoryview(bytearray(HEADER.size)), [0]
