"""What the adapters share: loading from a checked folder, memory errors, boxes of masks."""

from __future__ import annotations

import gc
import importlib.util
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from spatialclaw.errors import PerceptionError
from spatialclaw.perception import weights
from spatialclaw.perception.adapter import Call, ModelFile, ModelInfo, Output
from spatialclaw.primitives.errors import PrimitiveError

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "BadRequest",
    "TorchAdapter",
    "boxes_of",
    "hub_files",
    "instances",
    "missing_packages",
    "suppressed",
]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

_LOOKUP_SECONDS = 5.0
_looked_up: dict[str, tuple[float, bool]] = {}

BoolMasks = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]


def hub_files(*more: str) -> tuple[ModelFile, ...]:
    """Patterns of what is fetched: configuration, safetensors and, as asked for, the rest."""
    weights_and_index = ("model*.safetensors", "model.safetensors.index.json")
    settings = ("config.json", "preprocessor_config.json", "processor_config.json")
    return tuple(ModelFile(name) for name in (*settings, *weights_and_index, *more))


TOKENIZER = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
)


def missing_packages(info: ModelInfo) -> str | None:
    """None when the packages can be imported, else one line with the command."""
    absent = [name for name in info.packages if not _importable(name)]
    if not absent:
        return None
    return f'{info.name} needs {" and ".join(absent)}: pip install "spatialclaw[{info.extra}]"'


def _importable(name: str) -> bool:
    """Whether a package is here; asked for many models at once, so kept for a few seconds."""
    now = time.monotonic()
    known = _looked_up.get(name)
    if known is None or now - known[0] > _LOOKUP_SECONDS:
        known = _looked_up[name] = (now, importlib.util.find_spec(name) is not None)
    return known[1]


class BadRequest(PrimitiveError, ValueError):
    """What was asked makes no sense to the model; said to the cell as it stands."""


class TorchAdapter:
    """Base of the adapters of models from transformers.

    Subclasses set `info`, and define `_open` and `_answer`.
    """

    info: ModelInfo
    half: ClassVar[str] = "float16"
    """What the weights are held in on a GPU; on a CPU always float32."""

    def __init__(self) -> None:
        self.device = ""
        self.dtype: Any = None
        self.folder = Path()
        self.parts: dict[str, Any] = {}

    def available(self) -> str | None:
        """None when it could be loaded here and now, else one line: what is missing, what to do."""
        return missing_packages(self.info) or weights.installed(self.info)

    def load(self, device: str) -> None:
        """Loads the weights from the cache folder; see `Adapter.load`."""
        if (reason := missing_packages(self.info)) is not None:
            raise PerceptionError(reason)
        folder = weights.folder(self.info)
        import torch

        if device.startswith("cuda") and not torch.cuda.is_available():
            raise PerceptionError(f"{self.info.name}: there is no {device}", hint="Use cpu")
        self.device = device
        self.dtype = self._precision(device)
        self.folder = folder
        with told_apart(), silent():
            try:
                self.parts = self._open(folder)
            except (OSError, ValueError, KeyError) as error:
                said = " ".join(str(error).split())[:200]
                raise PerceptionError(
                    f"{self.info.name} cannot be loaded from {folder} ({said})",
                    hint=f"spatialclaw models check {self.info.name}",
                ) from error

    def unload(self) -> None:
        """Frees what `load` took."""
        self.parts = {}
        gc.collect()
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    def run(self, calls: Sequence[Call]) -> list[Output]:
        """Answers the calls; see `Adapter.run`."""
        if not self.parts:
            raise PerceptionError(f"{self.info.name} is not loaded")
        import torch

        with told_apart(), torch.inference_mode():
            return self._answer(calls)

    def _precision(self, device: str) -> Any:
        """What the weights are held in: single on a CPU, where half is slower."""
        import torch

        return torch.float32 if device == "cpu" else getattr(torch, self.half)

    def _open(self, folder: Path) -> dict[str, Any]:
        raise NotImplementedError

    def _answer(self, calls: Sequence[Call]) -> list[Output]:
        raise NotImplementedError

    def _model(self, kind: Any, folder: Path, **options: Any) -> Any:
        """A model of a transformers class from safetensors in the folder, ready to run.

        Raises:
            PerceptionError: The files do not hold all of its weights.
        """
        model, report = kind.from_pretrained(
            folder,
            dtype=self.dtype,
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
            **options,
        )
        if report["missing_keys"] or report.get("mismatched_keys"):
            lacking = sorted(report["missing_keys"]) or sorted(map(str, report["mismatched_keys"]))
            raise PerceptionError(
                f"the files of {self.info.name} lack {len(lacking)} of its weights "
                f"({lacking[0]} first)",
                hint=f"spatialclaw models check {self.info.name}",
            )
        return model.to(self.device).eval()

    def _statistics(self) -> dict[str, Any]:
        """The folder's settings of the image processor, {} when it has none."""
        for name in ("preprocessor_config.json", "processor_config.json"):
            if (path := self.folder / name).is_file():
                said = json.loads(path.read_text("utf-8"))
                return dict(said.get("image_processor", said))
        return {}


@contextmanager
def told_apart() -> Iterator[None]:
    """Turns the several ways of running out of memory into MemoryError."""
    try:
        yield
    except RuntimeError as error:
        # torch.OutOfMemoryError on a GPU; on a CPU a plain RuntimeError of the allocator.
        said = str(error)
        if type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator" in said:
            raise MemoryError(said.splitlines()[0]) from error
        raise


@contextmanager
def silent() -> Iterator[None]:
    """Keeps transformers' progress bars and advice off the terminal while it loads."""
    from transformers.utils import logging

    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def boxes_of(masks: BoolMasks) -> Floats:
    """(k, 4) boxes tight around (k, H, W) masks, corners at pixel centres; zeros for an empty one.

    Example:
        >>> boxes_of(np.ones((1, 2, 3), bool)).tolist()
        [[0.0, 0.0, 2.0, 1.0]]
    """
    result = np.zeros((len(masks), 4), dtype=np.float32)
    for box, mask in zip(result, masks, strict=True):
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box[:] = columns[0], rows[0], columns[-1], rows[-1]
    return result


def from_edges(boxes: npt.NDArray[Any], width: int, height: int) -> Floats:
    """Boxes as detectors give them (edges, 0 to width) as corners at pixel centres, clipped."""
    moved = np.array(boxes, dtype=np.float32).reshape(-1, 4)
    moved[:, 2:] -= 1
    moved[:, 0::2] = moved[:, 0::2].clip(0, width - 1)
    moved[:, 1::2] = moved[:, 1::2].clip(0, height - 1)
    moved[:, 2:] = np.maximum(moved[:, 2:], moved[:, :2])
    return moved


def suppressed(boxes: npt.NDArray[Any], scores: npt.NDArray[Any], overlap: float) -> list[int]:
    """Greedy non-maximum suppression: positions kept, best first.

    Args:
        boxes: (k, 4) with width x1 - x0.
        scores: (k,).
        overlap: Intersection over union above which the worse of two goes.
    """
    corners = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    order = np.argsort(-np.asarray(scores), kind="stable")
    kept: list[int] = []
    while len(order):
        best, order = int(order[0]), order[1:]
        kept.append(best)
        low = np.maximum(corners[order, :2], corners[best, :2])
        high = np.minimum(corners[order, 2:], corners[best, 2:])
        shared = np.prod((high - low).clip(min=0), axis=1)
        whole = areas[order] + areas[best] - shared
        ratio = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
        order = order[ratio <= overlap]
    return kept


def instances(
    masks: BoolMasks,
    scores: npt.NDArray[Any],
    labels: Sequence[str],
    boxes: npt.NDArray[Any] | None = None,
    **meta: Any,
) -> Output:
    """The output of the segmenting methods, best first as given."""
    return Output(
        {
            "masks": np.ascontiguousarray(masks, dtype=np.bool_),
            "boxes": boxes_of(masks) if boxes is None else np.asarray(boxes, dtype=np.float32),
            "scores": np.asarray(scores, dtype=np.float32),
        },
        {"labels": list(labels), **meta},
    )
