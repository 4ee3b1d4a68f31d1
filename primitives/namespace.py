"""The namespace of a cell: everything a cell needs, by name.

Names come from one table. A name whose module is not installed is left out and listed in
`missing()`, so that a kernel starts whatever extras are there.
"""

from __future__ import annotations

import importlib
import sys
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["LAZY", "VOCABULARY", "build", "build_from_host", "missing", "preload", "vocabulary"]

VOCABULARY: dict[str, tuple[str, ...]] = {
    "show": ("show:show",),
    "submit": ("submit:submit",),
    "locate": ("vlm:locate",),
    "look": ("vlm:look",),
    "candidates": ("pointing:candidates",),
    "detect": ("detect:detect", "segment:detect"),
    "segment": ("segment:segment",),
    "track": ("track:track",),
    "depth": ("depth:depth",),
    "reconstruct": ("reconstruct:reconstruct",),
    "flow": ("flow:flow", "match:flow", "motion:flow"),
    "match": ("match:match",),
    "markers": ("markers:markers", "segment:markers"),
    "available": ("available:available",),
    "read_text": ("read_text:read_text", "text:read_text"),
    "people": ("people:people",),
    "faces": ("people:faces",),
    "transfer": ("match:transfer",),
    "homography": ("match:homography",),
    "camera_state": ("steadiness:camera_state",),
    "estimate_motion": ("motion:estimate_motion",),
    "passages": ("track:passages",),
    "chessboard": ("markers:chessboard",),
    "calibrate": ("markers:calibrate",),
    "decode": ("decode:decode",),
    "colour_name": ("colours:colour_name",),
    "geometry": ("geometry",),
    "measure": ("measure",),
    "draw": ("draw",),
    "render": ("render:render",),
}
"""Name in a cell -> where it may come from, below `spatialclaw.primitives`."""

LAZY = {"o3d": "open3d", "plt": "matplotlib.pyplot"}
"""Heavy modules, imported when a cell first uses them."""

READY = {"np": "numpy", "scipy": "scipy", "cv2": "cv2"}

_missing: dict[str, str] = {}
_found: dict[str, Any] = {}


class LazyModule(types.ModuleType):
    """Stands for a module until its first attribute is wanted."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.__dict__["_wanted"] = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self.__dict__["_wanted"]), attribute)

    def __dir__(self) -> list[str]:
        return dir(importlib.import_module(self.__dict__["_wanted"]))

    def __repr__(self) -> str:
        return f"<module {self.__dict__['_wanted']!r}>"


def vocabulary() -> dict[str, Any]:
    """The primitives that are there, by their names in a cell; looked for once a process."""
    if _found:
        return dict(_found)
    found: dict[str, Any] = {}
    for name, places in VOCABULARY.items():
        why = "there is no such module"
        for place in places:
            module, _, attribute = place.partition(":")
            full = f"spatialclaw.primitives.{module}"
            try:
                thing: Any = importlib.import_module(full)
                found[name] = getattr(thing, attribute) if attribute else thing
                break
            except ModuleNotFoundError as error:
                if error.name and not error.name.startswith("spatialclaw.primitives"):
                    why = f"{error.name} is not installed"
            except (ImportError, AttributeError) as error:
                why = str(error)
        if name in found:
            _missing.pop(name, None)
        else:
            _missing[name] = why
    found.update(_plugins())
    _found.update(found)
    return found


def _plugins() -> dict[str, Any]:
    """Primitives of other packages: entry points of the group spatialclaw.primitives."""
    from importlib.metadata import entry_points

    found: dict[str, Any] = {}
    for entry in entry_points(group="spatialclaw.primitives"):
        try:
            found[entry.name] = entry.load()
        except Exception as error:  # another package's fault must not stop the kernel
            _missing[entry.name] = f"{type(error).__name__}: {error}"
    return found


def missing() -> dict[str, str]:
    """Names that could not be had in this process, and why."""
    return dict(_missing)


def preload() -> None:
    """Imports the whole vocabulary; for a process that will be forked."""
    vocabulary()


def build(
    manifest: str | Path | Sequence[Any] | None = None,
    question: str = "",
    choices: Mapping[str, str] | None = None,
    gateway: str | None = None,
) -> dict[str, Any]:
    """Makes the namespace of a cell.

    Args:
        manifest: Path of a ``frames.json``, or sequences of frames that are open already.
        question: The question's text.
        choices: Letter -> text, or None.
        gateway: Unix socket of the host, or None to leave it as it is.

    Returns:
        Name -> value: `frames`, `videos`, `question`, `choices`, `NothingFound`, the primitives
        and the modules.
    """
    from spatialclaw.primitives import context, runtime
    from spatialclaw.primitives.errors import NothingFound
    from spatialclaw.primitives.frames import Frames, open_frames

    if gateway is not None:
        runtime.connect(gateway)
    if manifest is None:
        sequences: list[Any] = []
    elif isinstance(manifest, str | Path):
        sequences = open_frames(manifest)
    else:
        sequences = list(manifest)
    several = len(sequences) > 1
    videos = [s for s in sequences if several or s.kind == "video"]
    frames = sequences[0] if sequences else Frames([])
    context.use_sequences(sequences)
    namespace: dict[str, Any] = {
        "frames": frames,
        "videos": videos,
        "question": question,
        "choices": dict(choices) if choices else None,
        "NothingFound": NothingFound,
    }
    namespace.update(vocabulary())
    for name, module in READY.items():
        namespace[name] = importlib.import_module(module)
    for name, module in LAZY.items():
        namespace[name] = sys.modules.get(module) or LazyModule(module)
    return namespace


def build_from_host() -> tuple[dict[str, Any], list[str]]:
    """Makes the namespace of what the host says this kernel is for.

    Returns:
        The namespace, and one line about each name that could not be had.
    """
    from spatialclaw.primitives import runtime

    setup, fds = runtime.client().call_with_files("kernel.setup", timeout=30)
    sequences = runtime.frames_of_host(setup["manifest"], fds[0]) if fds else []
    namespace = build(sequences, setup["question"], setup["choices"])
    return namespace, [f"{name}: {why}" for name, why in missing().items()]
