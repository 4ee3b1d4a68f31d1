"""What cells may ask of perception, through the host's gateway; what they send is not trusted."""

from __future__ import annotations

import asyncio
import os
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from spatialclaw.kernel.gateway import WithFiles
from spatialclaw.perception.client import Client, LocalClient, Query, Shared
from spatialclaw.perception.params import (
    CallParams,
    FrameReference,
    OfferParams,
    PictureReference,
    PutParams,
)
from spatialclaw.perception.wire import picture_hash, share
from spatialclaw.primitives.errors import TooMuch, Unavailable

if TYPE_CHECKING:
    from spatialclaw.config import Settings
    from spatialclaw.kernel.gateway import Gateway
    from spatialclaw.media import Media
    from spatialclaw.primitives.frames import Frame

__all__ = ["PerceptionTools", "perception_tools"]

CALLS = 2_000
MAX_KEPT = 512 * 1024**2


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
        pictures = await asyncio.gather(*(self._picture(said) for said in params.pictures))
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
            sequences = self._media.sequences if self._media is not None else []
            if place[0] >= len(sequences) or place[1] >= len(sequences[place[0]]):
                raise TooMuch(f"there is no frame {place[1]} in sequence {place[0]}")
            assert self._media is not None
            if self._file is None:
                path = Path(self._media.manifest).with_name("frames.bin")
                self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            frame = sequences[place[0]][place[1]]
            self._frames[place] = await asyncio.to_thread(_share_frame, frame, self._file)
        return self._frames[place]

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


def _share_frame(frame: Frame, fd: int) -> Shared:
    """A frame as it lies in the run's array file, which is handed on as it is."""
    offset = int(frame._record["image_offset"])
    return Shared(picture_hash(frame.image), frame.height, frame.width, fd, offset)


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
