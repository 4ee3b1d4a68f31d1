"""What a model looks like to the perception service: calls in, arrays out, one adapter a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

__all__ = ["Adapter", "Call", "ModelFile", "ModelInfo", "Output"]

Image = npt.NDArray[np.uint8]
"""(H, W, 3) RGB, upright, in the frame's own pixels."""


@dataclass(frozen=True)
class ModelFile:
    """One file of a model's weights.

    Attributes:
        name: Path inside the hub repository, or a pattern such as "model*.safetensors".
        sha256: Expected digest in lower-case hex; "" while it is not known.
        bytes: Size, or 0 while it is not known.
    """

    name: str
    sha256: str = ""
    bytes: int = 0


@dataclass(frozen=True)
class ModelInfo:
    """What is known about a model before it is loaded.

    Attributes:
        name: Ours, such as "sam2.1-hiera-small".
        methods: What it answers: "depth", "segment", "segment_text", "automatic", "detect",
            "track", "reconstruct", "point", "read_text".
        hub: Repository on the Hugging Face hub, or "" when it needs none.
        revision: Commit of that repository, never a branch; "" when the first fetch settles it and
            the lock beside the files keeps it (`spatialclaw.perception.weights`).
        files: What is fetched, and nothing else.
        licence: SPDX name, or the licence's own.
        memory_bytes: Roughly what it takes when loaded in half precision, activations apart.
        download_bytes: Roughly what is fetched.
        packages: What has to be importable, such as ("torch", "transformers").
        extra: The extra of ours that brings the packages.
        gated: Whether the hub asks for an agreement and a token first.
        note: One sentence for the table.
    """

    name: str
    methods: tuple[str, ...]
    hub: str = ""
    revision: str = ""
    files: tuple[ModelFile, ...] = ()
    licence: str = ""
    memory_bytes: int = 0
    download_bytes: int = 0
    packages: tuple[str, ...] = ()
    extra: str = "perception"
    gated: bool = False
    note: str = ""


@dataclass(frozen=True)
class Call:
    """One request to a model.

    Attributes:
        method: One of the model's methods.
        images: Pictures, in the order in which `params` refers to them.
        params: JSON-able arguments in pixels of those pictures: ``text`` (str), ``points``
            [[x, y], ...], ``labels`` [1, 0, ...], ``box`` [x0, y0, x1, y1], ``prompts`` (track:
            list of {"frame", "id", "points"|"box"|"text"}), ``max_instances``.
        arrays: Array arguments, such as ``intrinsics`` (n, 3, 3) or ``mask`` (H, W) bool.
    """

    method: str
    images: Sequence[Image]
    params: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Output:
    """What a model answered, in pixels of the pictures it was given.

    Arrays by method (n pictures, k instances):

    * depth: ``depth`` (H, W) float16 or float32 metres, ``confidence`` (H, W) 0..1 when the model
      gives one; meta ``focal_px`` (float or None), ``metric`` (bool).
    * segment, segment_text, automatic: ``masks`` (k, H, W) bool, ``boxes`` (k, 4), ``scores`` (k,);
      meta ``labels`` (list of k str).
    * detect: ``boxes`` (k, 4), ``scores`` (k,); meta ``labels``.
    * track: ``masks`` (n, k, H, W) bool, ``scores`` (n, k); meta ``ids`` (k), ``labels`` (k).
    * reconstruct: ``depths`` (list as ``depth/0``, ``depth/1``, ...), ``confidence/i``,
      ``poses`` (n, 4, 4) camera-to-world in OpenCV axes, ``intrinsics`` (n, 3, 3); meta ``metric``.
    * point: ``points`` (k, 2), ``scores`` (k,).
    * read_text: ``quads`` (k, 4, 2), ``scores`` (k,); meta ``texts``.

    Attributes:
        arrays: By name, as above.
        meta: JSON-able.
    """

    arrays: Mapping[str, npt.NDArray[Any]]
    meta: Mapping[str, Any] = field(default_factory=dict)


@runtime_checkable
class Adapter(Protocol):
    """One model. Made cheaply (no import of its packages), loaded when first used.

    Adapters live in the service's process, are called from one thread at a time and hold no state
    between calls but their weights and little that only saves time.
    """

    info: ModelInfo

    def available(self) -> str | None:
        """None when it could be loaded here and now, else one line: what is missing, what to do."""

    def load(self, device: str) -> None:
        """Loads the weights from the cache folder to "cpu" or "cuda:0"; never from the network.

        Raises:
            spatialclaw.errors.PerceptionError: Files are missing or damaged; says the command.
            MemoryError: They do not fit.
        """

    def unload(self) -> None:
        """Frees what `load` took."""

    def run(self, calls: Sequence[Call]) -> list[Output]:
        """Answers calls of the same method together, as one batch where the model can.

        Raises:
            MemoryError: The batch does not fit; the service halves it.
            spatialclaw.primitives.errors.PrimitiveError: A typed refusal for the cell.
        """
