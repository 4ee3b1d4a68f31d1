"""The array file and manifest that a kernel maps (format: `spatialclaw.primitives.frames`)."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import MediaError
from spatialclaw.primitives.frames import MANIFEST_VERSION

__all__ = ["Store"]

_ALIGN = 64


class Store:
    """Writes frames one after the other; nothing of them stays in memory.

    Args:
        folder: Where ``frames.bin`` and ``frames.json`` go; made when missing.
        on_frame: Called with 1 for each frame that is added.

    Raises:
        MediaError: The folder cannot be written, or the disk is full.
    """

    def __init__(self, folder: Path, on_frame: Callable[[float], None] | None = None) -> None:
        self._on_frame = on_frame
        self.folder = folder
        self.manifest = folder / "frames.json"
        self._sequences: list[dict[str, Any]] = []
        self._size = 0
        with _disk(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = (folder / "frames.bin").open("wb")

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stream.close()

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._size

    def begin(
        self,
        name: str,
        kind: str,
        *,
        objects: Sequence[tuple[str, int]] = (),
        info: dict[str, Any] | None = None,
    ) -> None:
        """Starts a sequence; the frames that follow belong to it."""
        self._sequences.append(
            {
                "name": name,
                "kind": kind,
                "objects": [{"name": label, "id": number} for label, number in objects],
                "info": {} if info is None else info,
                "frames": [],
            }
        )

    def add(
        self,
        record: dict[str, Any],
        image: npt.NDArray[np.uint8],
        depth: npt.NDArray[np.float32] | None = None,
        instances: npt.NDArray[np.uint16] | None = None,
    ) -> None:
        """Appends a frame to the last sequence.

        Args:
            record: Fields of `Frame` other than the arrays and sizes.
            image: (H, W, 3) uint8 RGB.
            depth: (H, W) float32 metres, or None.
            instances: (H, W) uint16, or None.
        """
        frames = self._sequences[-1]["frames"]
        entry = dict(record)
        entry["height"], entry["width"] = image.shape[:2]
        entry["position"] = len(frames)
        entry["sequence"] = len(self._sequences) - 1
        entry["image_offset"] = self._append(image.astype(np.uint8, copy=False))
        if depth is not None:
            assert depth.shape == image.shape[:2]
            entry["depth_offset"] = self._append(depth.astype(np.float32, copy=False))
        if instances is not None:
            assert instances.shape == image.shape[:2]
            entry["instances_offset"] = self._append(instances.astype(np.uint16, copy=False))
        frames.append(entry)
        if self._on_frame is not None:
            self._on_frame(1)

    def restart(self) -> None:
        """Drops the frames of the last sequence, to write them anew."""
        frames = self._sequences[-1]["frames"]
        if frames:
            self._size = frames[0]["image_offset"]
            with _disk(self.folder):
                self._stream.seek(self._size)
                self._stream.truncate()
            frames.clear()

    def finish(self) -> Path:
        """Writes the manifest, whole or not at all, and returns its path."""
        text = json.dumps(
            {"version": MANIFEST_VERSION, "sequences": self._sequences},
            ensure_ascii=False,
            allow_nan=False,
        )
        with _disk(self.folder):
            self._stream.flush()
            beside = self.manifest.with_suffix(".json.new")
            beside.write_text(text, encoding="utf-8")
            beside.replace(self.manifest)
        return self.manifest

    def _append(self, array: npt.NDArray[Any]) -> int:
        data = np.ascontiguousarray(array)
        with _disk(self.folder):
            padding = -self._size % _ALIGN
            self._stream.write(b"\0" * padding)
            offset = self._size + padding
            self._stream.write(data.data)
        self._size = offset + data.nbytes
        return offset


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise MediaError(
                f"{folder}: the disk is full while the frames are written",
                hint="Free some space, or give fewer frames (--frames).",
            ) from error
        raise MediaError(
            f"{folder}: the frames cannot be written there ({error.strerror or error})",
            hint="Choose another folder (--runs-dir).",
        ) from error
