"""What the methods of perception take: the models that validate what cells and clients send."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "CallParams",
    "Edge",
    "FrameReference",
    "Method",
    "OfferParams",
    "PictureReference",
    "PutParams",
    "SentArray",
    "bounded",
]

MAX_IMAGE = 24_000_000
MAX_PICTURES = 256
MAX_SECONDS = 1800.0
_MAX_DEPTH = 8
_MAX_VALUES = 20_000

Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Edge = Annotated[int, Field(ge=1, le=16384)]
Method = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class OfferParams(_Strict):
    """``perception.offer``: answer {"model": name or None, "command"}."""

    task: Method


class PutParams(_Strict):
    """``perception.put``: a picture of the cell's own, (height, width, 3) uint8 RGB."""

    height: Edge
    width: Edge
    data: Annotated[bytes, Field(min_length=3, max_length=MAX_IMAGE)]

    @model_validator(mode="after")
    def _has_its_size(self) -> PutParams:
        if len(self.data) != 3 * self.height * self.width:
            raise ValueError("the data have not the size of the picture")
        return self


class FrameReference(_Strict):
    """A frame that the host has."""

    sequence: Annotated[int, Field(ge=0, le=100_000)]
    position: Annotated[int, Field(ge=0, le=1_000_000)]


class PictureReference(_Strict):
    """A picture that was put before."""

    sha256: Hash
    height: Edge
    width: Edge


class SentArray(_Strict):
    """An array argument."""

    dtype: Literal["bool", "uint8", "uint16", "int32", "int64", "float32", "float64"]
    shape: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=6)]
    data: Annotated[bytes, Field(max_length=MAX_IMAGE)]

    @model_validator(mode="after")
    def _has_its_size(self) -> SentArray:
        if len(self.data) != math.prod(self.shape) * np.dtype(self.dtype).itemsize:
            raise ValueError("the data have not the size of the array")
        return self


class CallParams(_Strict):
    """``perception.call``: answer what is known of the result, and its bytes as a file."""

    task: Method
    pictures: Annotated[
        list[FrameReference | PictureReference], Field(min_length=1, max_length=MAX_PICTURES)
    ]
    params: dict[Annotated[str, Field(max_length=100)], Any] = Field(default_factory=dict)
    arrays: Annotated[
        dict[Annotated[str, Field(max_length=100)], SentArray], Field(max_length=16)
    ] = Field(default_factory=dict)
    model: Annotated[str, Field(max_length=200)] | None = None
    seconds: Annotated[float, Field(gt=0, le=MAX_SECONDS)] = 120.0
    fresh: bool = False

    @model_validator(mode="after")
    def _is_plain(self) -> CallParams:
        bounded(self.params)
        return self


def bounded(params: dict[str, Any]) -> None:
    """Looks whether arguments are plain and of sensible size.

    Raises:
        ValueError: They are not.
    """
    _count(params, 0, [0])


def _count(value: Any, depth: int, seen: list[int]) -> None:
    seen[0] += 1
    if depth > _MAX_DEPTH or seen[0] > _MAX_VALUES:
        raise ValueError("the arguments are too deep or too many")
    if isinstance(value, dict):
        for name, item in value.items():
            if not isinstance(name, str) or len(name) > 100:
                raise ValueError("an argument has no proper name")
            _count(item, depth + 1, seen)
    elif isinstance(value, list):
        for item in value:
            _count(item, depth + 1, seen)
    elif isinstance(value, str):
        if len(value) > 20_000:
            raise ValueError("a text is too long")
    elif not (value is None or isinstance(value, bool | int | float)):
        raise ValueError(f"a {type(value).__name__} is no argument")
