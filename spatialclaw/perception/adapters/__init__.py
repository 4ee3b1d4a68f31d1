"""The models that come with spatialclaw, one module a family. Importing this imports no model."""

from __future__ import annotations

from spatialclaw.perception.adapter import Adapter

__all__ = ["built_in"]


def built_in() -> list[Adapter]:
    """One adapter a model, none loaded."""
    from spatialclaw.perception.adapters import (
        composite,
        depth_anything,
        depth_pro,
        grounding_dino,
        owlv2,
        rapidocr,
        sam2,
        sam2_video,
        sam3,
    )

    adapters: list[Adapter] = []
    modules = (
        sam3,
        sam2,
        sam2_video,
        grounding_dino,
        owlv2,
        composite,
        depth_pro,
        depth_anything,
        rapidocr,
    )
    for module in modules:
        adapters += module.adapters()
    return adapters
