"""The one connection between the examiner and a room: framed messages over a Unix stream socket.

A frame is the length of the message's text and that of its blob (two 8-byte integers, big-endian), then both. The reader
assumes that the other side writes whatever it likes, and as slowly as it likes.
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

from autograder.examiner.codec import Closed, Late, Malformed, TooLarge, Unsendable, WireError, decode, encode

__all__ = ["Channel", "Closed", "Late", "Malformed", "TooLarge", "Unsendable", "WireError"]

HEADER = struct.Struct(">QQ")


class Channel:
    """One end of the connection, which belongs to the channel from now on. It is for one thread.

    `largest` is how many bytes a message may have, without the header, in either direction. `opaque` describes a value that is
    no data by a small dict of data, and `reveal` makes a value of such a dict on the other side. Deadlines are times of
    `time.monotonic()`.

    An interrupt (KeyboardInterrupt) loses nothing. `receive`, called again, goes on where it was, and a message that `send` has
    begun goes out first in the next call of either. A caller that must know whether an interrupted `send` had begun has to
    block the signal meanwhile.
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
        """Sends a message. Raises Unsendable or TooLarge, and then has sent nothing, and Closed.

        Raises Late at the deadline; what is left of the message goes out before the next one.
        """
        text, blob = encode(message, self.largest, self._opaque)
        frame = b"".join([HEADER.pack(len(text), len(blob)), text, blob])
        self._flush(deadline)
        self._outgoing = memoryview(frame), [0]
        self._flush(deadline)

    def receive(self, deadline: float | None = None) -> dict[str, Any]:
        """The next message. Raises Closed, Late, Malformed and TooLarge; after the last two, close the channel."""
        with suppress(Closed):  # the other side may have answered before it went
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
        """Receives until the incoming frame has `end` bytes."""
        self._move(*self._incoming, end, self._socket.recv_into, select.POLLIN, deadline)

    def _flush(self, deadline: float | None) -> None:
        """Sends what is left of the outgoing frame."""
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
        """Moves bytes between the frame and the socket until `end` of them have been moved; `counts` adds up to that number.

        An interrupt must not come between a step and its count, or bytes would be sent twice or lost. Python handles signals
        between bytecodes only, and here both happen inside of one call of `extend`, which is C.
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
    """A frame with room for a header, of which no byte has come yet."""
    return memoryview(bytearray(HEADER.size)), [0]
