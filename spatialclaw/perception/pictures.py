"""The pictures that the service was given: descriptors of memory or files, never a copy."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spatialclaw.perception.processes import Refused

__all__ = ["Blob", "Picture", "Pictures"]

MAX_OF_A_RUN = 4096
MAX_BYTES_OF_A_RUN = 8 * 1024**3
MAX_EDGE = 16384


class Blob:
    """A descriptor that is closed when nobody refers to it any more."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        state = os.fstat(fd)
        self.size = state.st_size
        self.identity = (state.st_dev, state.st_ino)

    def __del__(self) -> None:
        os.close(self.fd)


@dataclass(frozen=True)
class Picture:
    """(height, width, 3) uint8 RGB at an offset in a blob.

    Attributes:
        sha256: `wire.picture_hash` of it.
        height: Pixels.
        width: Pixels.
        blob: Where it lies.
        offset: Bytes from the start.
    """

    sha256: str
    height: int
    width: int
    blob: Blob
    offset: int

    @property
    def bytes(self) -> int:
        """Its size."""
        return 3 * self.height * self.width


class Pictures:
    """Which run has sent which pictures; one run may use what another one sent."""

    def __init__(self) -> None:
        self._of_run: dict[str, OrderedDict[str, Picture]] = {}
        self._blobs: dict[str, dict[tuple[int, int], Blob]] = {}

    def __len__(self) -> int:
        return sum(len(pictures) for pictures in self._of_run.values())

    def receive(
        self, run: str, said: Sequence[Any], fds: list[int]
    ) -> tuple[list[Picture], list[str]]:
        """The pictures of a call, and the hashes of those that have to be sent (again).

        Args:
            run: Whose call.
            said: {"sha256", "height", "width"}, with "blob" (number of a descriptor) and "offset"
                where it comes along.
            fds: Descriptors that came along; they are taken over, all of them.

        Raises:
            Refused: A picture is malformed or reaches beyond its file.
        """
        kept = self._of_run.setdefault(run, OrderedDict())
        known = self._blobs.setdefault(run, {})
        blobs = []
        for fd in fds:
            blob = Blob(fd)
            blobs.append(known.setdefault(blob.identity, blob))
        fds.clear()
        found, missing = [], []
        for item in said:
            sha, height, width = item["sha256"], item["height"], item["width"]
            if not (
                isinstance(sha, str)
                and type(height) is type(width) is int
                and 0 < height <= MAX_EDGE
                and 0 < width <= MAX_EDGE
            ):
                raise Refused("PrimitiveError", "a picture without hash or size")
            if item.get("blob") is not None:
                offset = item["offset"]
                blob = blobs[item["blob"]]
                if type(offset) is not int or not 0 <= offset <= blob.size - 3 * height * width:
                    raise Refused("PrimitiveError", "a picture reaches beyond its file")
                kept[sha] = Picture(sha, height, width, blob, offset)
            picture = kept.get(sha) or self._elsewhere(sha)
            if picture is None:
                missing.append(sha)
            elif (picture.height, picture.width) != (height, width):
                raise Refused("PrimitiveError", "a picture has not the size it was sent with")
            else:
                kept[sha] = picture
                kept.move_to_end(sha)
                found.append(picture)
        self._trim(run)
        return found, missing

    def _elsewhere(self, sha: str) -> Picture | None:
        return next((p[sha] for p in self._of_run.values() if sha in p), None)

    def _trim(self, run: str) -> None:
        kept = self._of_run[run]
        total = sum(picture.bytes for picture in kept.values())
        while kept and (len(kept) > MAX_OF_A_RUN or total > MAX_BYTES_OF_A_RUN):
            total -= kept.popitem(last=False)[1].bytes
        used = {picture.blob.identity for picture in kept.values()}
        blobs = self._blobs[run]
        for identity in [identity for identity in blobs if identity not in used]:
            del blobs[identity]

    def forget(self, run: str) -> None:
        """Lets go of what a run has sent."""
        self._of_run.pop(run, None)
        self._blobs.pop(run, None)
