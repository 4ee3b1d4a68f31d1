"""What a notebook's kernel can ask of the process that started it: media and models.

A confined kernel opens no file of yours. It names pictures, videos or captures; the host decodes
them and hands over the pixels and what is known of the cameras, nothing else of the files.
Models of perception answer as they do in a run, where they are installed.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from spatialclaw.agent.sync import LoopThread
from spatialclaw.errors import MediaError
from spatialclaw.kernel.gateway import Gateway, WithFiles
from spatialclaw.kernel.gateway_server import GatewayServer
from spatialclaw.kernel.launch.reaping import PREFIX
from spatialclaw.kernel.methods import DecodeParams, frames_reply

if TYPE_CHECKING:
    from spatialclaw.media import Media
    from spatialclaw.perception.cells import PerceptionTools

__all__ = ["LoadParams", "NotebookHost"]

MAX_LOADS = 200


class LoadParams(BaseModel):
    """``media.load``: answer a manifest, its array file, and what to know about the media."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    paths: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=4096)]], Field(max_length=200)
    ]
    frames: Annotated[int, Field(ge=1, le=1000)] = 32


class NotebookHost:
    """Serves one notebook's kernel, on a thread of its own.

    Args:
        socket: Where to listen; in a folder that only the kernel shares.
        folder: What relative paths start from: the notebook's folder.
        folders: Where media may lie; anywhere when empty.
    """

    def __init__(self, socket: Path, folder: Path, folders: Sequence[Path] = ()) -> None:
        self._folder = folder
        self._allowed = [path.resolve() for path in folders]
        self._media: Media | None = None
        self._workdir = Path(tempfile.mkdtemp(prefix=PREFIX))
        self._count = 0
        self._gateway = Gateway(max_calls=100_000)
        self._perception: PerceptionTools | None = None
        self._server: GatewayServer | None = None
        self._loop = LoopThread("spatialclaw-notebook")
        self._loop.call(self._start(socket))

    def close(self) -> None:
        """Ends the service and removes what was decoded."""
        self._loop.call(self._stop())
        self._loop.close()
        shutil.rmtree(self._workdir, ignore_errors=True)

    async def _start(self, socket: Path) -> None:
        gateway = self._gateway
        gateway.register("media.load", LoadParams, self._load, quota=MAX_LOADS)
        gateway.register("media.decode", DecodeParams, self._decode, quota=1000)
        await self._perceive(None)
        self._server = GatewayServer(socket, gateway)
        self._server.start()

    async def _stop(self) -> None:
        if self._server is not None:
            await self._server.aclose()
        if self._perception is not None:
            await self._perception.aclose()

    async def _perceive(self, media: Media | None) -> None:
        """Lets models answer about these media, as the settings of the server's user say."""
        from spatialclaw.config import resolve_settings
        from spatialclaw.perception.cells import perception_tools

        if self._perception is not None:
            await self._perception.aclose()
        self._perception = perception_tools(media, resolve_settings({}).settings)
        self._perception.register(self._gateway)

    async def _load(self, params: LoadParams) -> WithFiles:
        from spatialclaw.media import load

        paths = [self._checked(path) for path in params.paths]
        self._count += 1
        workdir = self._workdir / str(self._count)
        media = await asyncio.to_thread(load, paths, frames=params.frames, workdir=workdir)
        self._media = media
        await self._perceive(media)
        reply: WithFiles = frames_reply(media.manifest)
        reply.result |= {"notes": media.notes, "text": media.describe()}
        return reply

    def _checked(self, text: str) -> Path:
        path = self._folder / Path(text).expanduser()
        if self._allowed:
            real = path.resolve()
            if not any(real.is_relative_to(folder) for folder in self._allowed):
                raise MediaError(
                    f"{text} lies outside the folders that this kernel may read media from",
                    hint="`spatialclaw kernelspec install --folder DIR` allows one.",
                )
        return path

    async def _decode(self, params: DecodeParams) -> Any:
        if self._media is None:
            raise MediaError("no media are loaded", hint='Run load("video.mp4") first.')
        manifest = await asyncio.to_thread(
            self._media.decode,
            params.video,
            times=params.times,
            indices=params.indices,
            fps=params.fps,
            start=params.start,
            stop=params.end,
            max_size=params.max_size,
        )
        return frames_reply(manifest)
