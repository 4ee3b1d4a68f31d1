"""Which models there are, and which of them answers a call here. Imports no model's package."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from spatialclaw.perception import weights
from spatialclaw.perception.adapter import Adapter
from spatialclaw.primitives.errors import Unavailable

__all__ = [
    "GROUP",
    "Offer",
    "all_adapters",
    "broken",
    "choose",
    "find",
    "offer",
    "offers",
    "revision_of",
]

GROUP = "spatialclaw.models"

# What to take when several could, best first; models of other packages come before all of these.
ORDER: dict[str, tuple[str, ...]] = {
    "depth": (
        "depth-pro",
        "depth-anything-v2-indoor-large",
        "depth-anything-v2-indoor-base",
        "depth-anything-v2-indoor-small",
        "depth-anything-v2-outdoor-large",
        "depth-anything-v2-outdoor-base",
        "depth-anything-v2-outdoor-small",
    ),
    "segment": ("sam2.1-large", "sam2.1-base-plus", "sam2.1-small", "sam2.1-tiny"),
    "automatic": ("sam2.1-large", "sam2.1-base-plus", "sam2.1-small", "sam2.1-tiny"),
    "segment_text": ("sam3", "grounded-sam2"),
    "detect": (
        "sam3",
        "grounding-dino-base",
        "grounding-dino-tiny",
        "owlv2-large",
        "owlv2-base",
    ),
    "track": (
        "sam2.1-large-video",
        "sam2.1-base-plus-video",
        "sam2.1-small-video",
        "sam2.1-tiny-video",
    ),
    "track_text": ("sam3-video", "grounded-sam2"),
    "read_text": ("rapidocr",),
    "reconstruct": (),
    "point": (),
}

HEAVY = 1_000_000_000
"""Without a GPU, models of more bytes come last: they take a minute or more for a picture."""

# What to fetch first where nothing is: free, without an agreement, of a size for a laptop.
FIRST: dict[str, tuple[str, ...]] = {
    "depth": ("depth-anything-v2-indoor-small",),
    "segment": ("sam2.1-small",),
    "automatic": ("sam2.1-small",),
    "segment_text": ("grounding-dino-tiny", "sam2.1-small"),
    "detect": ("grounding-dino-tiny",),
    "track": ("sam2.1-small",),
    "track_text": ("grounding-dino-tiny", "sam2.1-small"),
    "read_text": ("rapidocr",),
}


@dataclass(frozen=True)
class Offer:
    """What there is for one method.

    Attributes:
        method: As in `ModelInfo.methods`.
        model: The model that answers it here, or None.
        command: What brings one where there is none, else "".
    """

    method: str
    model: str | None
    command: str


@cache
def _discovered() -> tuple[dict[str, Adapter], dict[str, str]]:
    from spatialclaw.perception.adapters import built_in

    found: dict[str, Adapter] = {}
    failed: dict[str, str] = {}
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            made: Any = entry.load()
            made = made() if callable(made) else made
            for adapter in made if isinstance(made, list | tuple) else [made]:
                if not isinstance(adapter, Adapter):
                    raise TypeError(f"{adapter!r} is no Adapter")
                found[adapter.info.name] = adapter
        except Exception as error:  # somebody else's package must not take ours down
            failed[entry.name] = f"{entry.value}: {' '.join(str(error).split())[:160]}"
    for adapter in built_in():
        found.setdefault(adapter.info.name, adapter)
    return found, failed


def all_adapters() -> dict[str, Adapter]:
    """Every model by name: those of other packages (group `spatialclaw.models`) and ours."""
    return dict(_discovered()[0])


def broken() -> dict[str, str]:
    """Entry points that could not be loaded, with the reason."""
    return dict(_discovered()[1])


def find(name: str) -> Adapter:
    """The model of a name.

    Raises:
        Unavailable: There is none; names the nearest.
    """
    known = all_adapters()
    if name in known:
        return known[name]
    import difflib

    near = difflib.get_close_matches(name, known, n=1)
    meant = f"did you mean {near[0]!r}? " if near else ""
    raise Unavailable(f"there is no model {name!r}", hint=f"{meant}spatialclaw models list")


def _ordered(method: str) -> list[Adapter]:
    known = all_adapters()
    rank = {name: place for place, name in enumerate(ORDER.get(method, ()))}
    able = [adapter for adapter in known.values() if method in adapter.info.methods]
    slow = 0 if _has_gpu() else HEAVY

    def key(adapter: Adapter) -> tuple[bool, int]:
        info = adapter.info
        return bool(slow) and info.memory_bytes > slow, rank.get(info.name, -1)

    return sorted(able, key=key)


def _has_gpu() -> bool:
    """Whether there seems to be a GPU, found without any package."""
    return any(Path(name).exists() for name in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))


def choose(method: str, wanted: str | None = None) -> Adapter:
    """The model that answers a method here and now.

    Args:
        method: "depth", "segment", "segment_text", "automatic", "detect", "track", "track_text",
            "reconstruct", "point" or "read_text".
        wanted: A model by name; else the best of those that could be loaded.

    Raises:
        Unavailable: None could; says the command that brings one.
    """
    if wanted is not None:
        adapter = find(wanted)
        if method not in adapter.info.methods:
            can = ", ".join(adapter.info.methods)
            raise Unavailable(f"{wanted} does not {method}; it does {can}")
        if (reason := adapter.available()) is not None:
            raise Unavailable(reason)
        return adapter
    for adapter in _ordered(method):
        if adapter.available() is None:
            return adapter
    raise Unavailable(f"no model for {method} is on this machine", hint=_command(method))


def offer(method: str) -> Offer:
    """Which model answers a method, or the command that brings one."""
    for adapter in _ordered(method):
        if adapter.available() is None:
            return Offer(method, adapter.info.name, "")
    return Offer(method, None, _command(method))


def offers() -> list[Offer]:
    """One for each method."""
    return [offer(method) for method in ORDER]


def revision_of(adapter: Adapter) -> str:
    """What names its weights in the key of a cached result; changes when they do."""
    own = getattr(adapter, "fingerprint", None)
    return str(own()) if callable(own) else weights.fingerprint(adapter.info)


def _command(method: str) -> str:
    names = FIRST.get(method)
    if not names:
        return f"a package with an entry point {GROUP!r} that offers {method}"
    known = all_adapters()
    for name in names:
        info = known[name].info
        reason = known[name].available() or ""
        if "pip install" in reason:
            pull = f" && spatialclaw models pull {' '.join(names)}" if info.hub else ""
            return f'pip install "spatialclaw[{info.extra}]"{pull}'
    return f"spatialclaw models pull {' '.join(names)}"
