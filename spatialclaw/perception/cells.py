"""What cells may ask of perception, through the host's gateway; what they send is not trusted."""

from __future__ import annotations

import asyncio
import math
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from spatialclaw.kernel.gateway import WithFiles
from spatialclaw.perception.client import Client, LocalClient, Query, Shared
from spatialclaw.perception.wire import picture_hash, share
from spatialclaw.primitives.errors import TooMuch, Unavailable

if TYPE_CHECKING:
    from spatialclaw.config import Settings
    from spatialclaw.kernel.gateway import Gateway
    from spatialclaw.media import Media

__all__ = [
    "CallParams",
    "OfferParams",
    "PerceptionTools",
    "PutParams",
    "bounded",
    "perception_tools",
]

CALLS = 2_000
MAX_IMAGE = 24_000_000
MAX_PICTURES = 256
MAX_KEPT = 512 * 1024**2
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


class PerceptionTools:
    """The handlers of the perception methods of one run.

    Nothing is started, opened or imported before the first call.

    Args:
        media: The frames of the run, or None.
        connect: Makes the client.
        offer: Which model answers a method here, and the command that brings one.
        require: Raises where perception that was asked for is not to be had.
    """

    def __init__(
        self,
        media: Media | None,
        connect: Callable[[], Client],
        offer: Callable[[str], tuple[str | None, str]],
        require: Callable[[], None] | None = None,
    ) -> None:
        self._media = media
        self._connect = connect
        self._offer = offer
        self._require = require
        self._client: Client | None = None
        self._file: int | None = None
        self._frames: dict[tuple[int, int], Shared] = {}
        self._kept: OrderedDict[str, Shared] = OrderedDict()
        self._kept_bytes = 0

    def register(self, gateway: Gateway) -> None:
        """Adds the methods to a gateway."""
        gateway.register("perception.offer", OfferParams, self.offer, recorded=False)
        gateway.register("perception.put", PutParams, self.put, recorded=False)
        gateway.register("perception.call", CallParams, self.call, quota=CALLS)

    async def check(self) -> None:
        """Asks the servers that the settings name, if they name any; starts nothing here.

        Raises:
            PerceptionError: None of them answers.
        """
        if self._require is not None:
            await asyncio.to_thread(self._require)

    async def offer(self, params: OfferParams) -> dict[str, Any]:
        """Which model would answer."""
        model, command = await asyncio.to_thread(self._offer, params.task)
        return {"model": model, "command": command}

    async def put(self, params: PutParams) -> dict[str, Any]:
        """Keeps a picture for calls that follow."""
        shape = (params.height, params.width, 3)
        image = np.frombuffer(params.data, np.uint8).reshape(shape)
        name = await asyncio.to_thread(picture_hash, image)
        if name not in self._kept:
            fd = await asyncio.to_thread(share, [params.data])
            self._kept[name] = Shared(name, params.height, params.width, fd)
            self._kept_bytes += len(params.data)
            while self._kept_bytes > MAX_KEPT:
                _, old = self._kept.popitem(last=False)
                self._kept_bytes -= 3 * old.height * old.width
                os.close(old.fd)
        return {"sha256": name}

    async def call(self, params: CallParams) -> Any:
        """One call to a model."""
        missing = [
            said.sha256
            for said in params.pictures
            if isinstance(said, PictureReference) and said.sha256 not in self._kept
        ]
        if missing:
            return {"missing": missing}
        pictures = [await self._picture(said) for said in params.pictures]
        # A kept picture that is dropped meanwhile must not take its descriptor out of the call.
        held = {picture.fd: os.dup(picture.fd) for picture in pictures}
        try:
            if self._client is None:
                await self._worth_it(params)
                self._client = self._connect()
            reply = await self._client.call(
                Query(
                    method=params.task,
                    pictures=[
                        Shared(p.sha256, p.height, p.width, held[p.fd], p.offset) for p in pictures
                    ],
                    params=params.params,
                    arrays={name: a.model_dump() for name, a in params.arrays.items()},
                    model=params.model,
                    timeout=params.seconds,
                    fresh=params.fresh,
                )
            )
        finally:
            for fd in held.values():
                os.close(fd)
        return WithFiles({"method": params.task, **reply.info}, [reply.fd])

    async def _worth_it(self, params: CallParams) -> None:
        """Raises where nothing could answer, so that no service is started to say so."""
        if params.model is None:
            model, command = await asyncio.to_thread(self._offer, params.task)
            if model is None:
                raise Unavailable(f"no model for {params.task} is here", hint=command)

    async def _picture(self, said: FrameReference | PictureReference) -> Shared:
        if isinstance(said, PictureReference):
            kept = self._kept[said.sha256]
            self._kept.move_to_end(said.sha256)
            if (kept.height, kept.width) != (said.height, said.width):
                raise TooMuch(f"the picture is {kept.width}x{kept.height}")
            return kept
        place = (said.sequence, said.position)
        if place not in self._frames:
            self._frames[place] = await asyncio.to_thread(self._share_frame, place)
        return self._frames[place]

    def _share_frame(self, place: tuple[int, int]) -> Shared:
        """A frame as it lies in the run's array file, which is handed on as it is."""
        sequences = self._media.sequences if self._media is not None else []
        sequence, position = place
        if sequence >= len(sequences) or position >= len(sequences[sequence]):
            raise TooMuch(f"there is no frame {position} in sequence {sequence}")
        assert self._media is not None
        frame = sequences[sequence][position]
        if self._file is None:
            path = Path(self._media.manifest).with_name("frames.bin")
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        offset = int(frame._record["image_offset"])
        return Shared(picture_hash(frame.image), frame.height, frame.width, self._file, offset)

    def another(self) -> PerceptionTools:
        """The same for a branch of the run, with a connection of its own."""
        return PerceptionTools(self._media, self._connect, self._offer, self._require)

    async def aclose(self) -> None:
        """Ends the connection and lets go of the pictures."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None
        fds = [shared.fd for shared in self._kept.values()]
        fds += [self._file] if self._file is not None else []
        self._file = None
        self._kept.clear()
        self._frames.clear()
        for fd in fds:
            os.close(fd)


def perception_tools(media: Media | None, settings: Settings) -> PerceptionTools:
    """The perception of a run: on this machine, or where the settings say."""
    if settings.perception_url:
        from spatialclaw.perception.remote import Directory, RemoteClient, addresses

        urls = addresses(settings.perception_url)
        secret = settings.perception_token
        token = secret.get_secret_value() if secret is not None else ""
        directory = Directory(urls, token)
        return PerceptionTools(
            media, lambda: RemoteClient(urls, token), directory.offer, directory.require
        )
    return PerceptionTools(media, LocalClient, _offer_here)


def _offer_here(method: str) -> tuple[str | None, str]:
    from spatialclaw.perception.registry import offer

    found = offer(method)
    return found.model, found.command
