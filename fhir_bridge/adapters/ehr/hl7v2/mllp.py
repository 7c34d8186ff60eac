"""MLLP: messages in a stream of bytes, each between VT and FS (HL7 v2.9 appendix C; ISO/HL7 27931)."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Deframer", "FrameTooLarge", "NoFrame", "framed"]

VT, FS, CR = b"\x0b", b"\x1c", b"\x0d"
MOST_BETWEEN = 64 * 1024
"""Bytes outside of frames after which no message is to be hoped for any more."""


class FrameTooLarge(Exception):
    """A frame has more bytes than a message may have. Attribute `start`: its first bytes."""

    def __init__(self, start: bytes) -> None:
        super().__init__("the message is larger than this server takes")
        self.start = start


class NoFrame(Exception):
    """What comes is not MLLP: bytes outside of frames."""


def framed(message: bytes) -> bytes:
    """A message as it is sent."""
    return VT + message + FS + CR


class Deframer:
    """Takes frames out of what comes, in pieces of any size.

    A frame begins with VT and ends with FS; the CR after it may be missing. A VT within a frame begins another one:
    what came before was cut off, and was not acknowledged.

    Args:
        most: bytes that a message may have.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun: bytearray | None = None
        self._between = 0

    @property
    def pending(self) -> int:
        """Bytes of the frame that has begun."""
        return 0 if self._begun is None else len(self._begun)

    @property
    def inside(self) -> bool:
        """Whether a frame has begun and not ended."""
        return self._begun is not None

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """The messages that end in this piece.

        Raises:
            FrameTooLarge, NoFrame: nothing more can be read from this sender.
        """
        position = 0
        while position < len(piece):
            if self._begun is None:
                start = piece.find(VT, position)
                self._outside(piece[position : start if start >= 0 else len(piece)])
                if start < 0:
                    return
                self._begun, position = bytearray(), start + 1
            end = piece.find(FS, position)
            part = piece[position : end if end >= 0 else len(piece)]
            again = part.rfind(VT)
            if again >= 0:
                self._begun = bytearray()
                part = part[again + 1 :]
            self._begun += part
            if len(self._begun) > self._most:
                raise FrameTooLarge(bytes(self._begun[:4096]))
            if end < 0:
                return
            message, self._begun = bytes(self._begun), None
            self._between = 0
            position = end + 1
            yield message

    def _outside(self, piece: bytes) -> None:
        # Line ends between frames are the end of the one before, and no fault.
        self._between += len(piece.strip(b"\r\n"))
        if self._between > MOST_BETWEEN:
            raise NoFrame
