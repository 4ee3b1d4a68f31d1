"""What the methods of the gateway take: the models that validate what cells send."""

from __future__ import annotations

import io
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = ["MAX_PIXELS", "DecodeParams", "LocateParams", "LookParams", "Nothing", "SentPicture"]

MAX_PIXELS = 64_000_000


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Nothing(_Strict):
    """No parameters."""


class SentPicture(_Strict):
    """An encoded picture; its size is what its header says, not what the cell claims."""

    data: Annotated[bytes, Field(min_length=16, max_length=16_000_000)]
    media_type: Literal["image/jpeg", "image/png"]
    width: Annotated[int, Field(ge=1, le=16384)]
    height: Annotated[int, Field(ge=1, le=16384)]
    title: Annotated[str, Field(max_length=500)] = ""

    @model_validator(mode="after")
    def _is_a_picture(self) -> SentPicture:
        from PIL import Image, UnidentifiedImageError

        kind = "JPEG" if self.media_type == "image/jpeg" else "PNG"
        try:
            with Image.open(io.BytesIO(self.data), formats=[kind]) as image:
                size = image.size
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
            raise ValueError(f"no {kind} picture") from error
        if size != (self.width, self.height) or size[0] * size[1] > MAX_PIXELS:
            raise ValueError(f"the picture is {size[0]}x{size[1]}, not {self.width}x{self.height}")
        return self


class LocateParams(_Strict):
    """``vlm.locate``: answer {"points": [{"x", "y"}...], "note"} in pixels of the picture sent."""

    image: SentPicture
    what: Annotated[str, Field(min_length=1, max_length=1000)]


class LookParams(_Strict):
    """``vlm.look``: answer {"text"}."""

    images: Annotated[list[SentPicture], Field(min_length=1, max_length=12)]
    question: Annotated[str, Field(min_length=1, max_length=8000)]


class DecodeParams(_Strict):
    """``media.decode``: answer a manifest and its array file (see `frames_reply`)."""

    video: Annotated[int, Field(ge=0, le=1000)] = 0
    times: Annotated[list[float], Field(max_length=256)] | None = None
    fps: Annotated[float, Field(gt=0, le=240)] | None = None
    indices: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=256)] | None = None
    start: Annotated[float, Field(ge=0)] | None = None
    end: Annotated[float, Field(ge=0)] | None = None
    max_size: Annotated[int, Field(ge=16, le=8192)] | None = None

    @model_validator(mode="after")
    def _one_way(self) -> DecodeParams:
        given = [v for v in (self.times, self.fps, self.indices) if v is not None]
        if len(given) != 1:
            raise ValueError("give exactly one of times, fps and indices")
        return self


def frames_reply(manifest: Any) -> Any:
    """The reply of a method that gives frames: the manifest's content and the array file.

    Args:
        manifest: Path of a ``frames.json`` that the host wrote; ``frames.bin`` lies beside it.
    """
    import json
    from pathlib import Path

    from spatialclaw.kernel.gateway import WithFiles

    path = Path(manifest)
    content = json.loads(path.read_text(encoding="utf-8"))
    return WithFiles({"manifest": content}, [path.with_name("frames.bin")])
