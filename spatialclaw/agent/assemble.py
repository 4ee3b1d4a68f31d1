"""Puts together what one question needs: media, record, gateway and kernel."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.record import NoRecord, Record
from spatialclaw.agent.types import Task
from spatialclaw.agent.vlm_tools import VlmTools
from spatialclaw.config import Settings

if TYPE_CHECKING:
    from spatialclaw.backends.base import ChatClient
    from spatialclaw.kernel.gateway import Call, Gateway
    from spatialclaw.kernel.kernel import Kernel
    from spatialclaw.media import Media

__all__ = ["Parts", "assemble"]


@dataclass
class Parts:
    """What one run holds open; `aclose` ends all of it.

    Attributes:
        media: The decoded media, or None for a kernel without.
        kernel: A kernel whose namespace is set.
        record: Where the run is recorded.
        tools: The handlers of `locate` and `look`; its `chat` may be set later.
        workdir: Scratch folder of the frames, removed at the end.
    """

    media: Media | None
    kernel: Kernel
    record: Record
    tools: VlmTools
    workdir: Path
    chat: ChatClient | None = None
    _closed: bool = field(default=False, repr=False)

    async def pose(self, task: Task) -> None:
        """Puts a further question into the namespace of the kernel."""
        self.kernel.options = replace(
            self.kernel.options, question=task.question, choices=task.choices
        )
        choices = dict(task.choices) if task.choices else None
        await self.kernel.execute(f"question = {task.question!r}; choices = {choices!r}")

    async def aclose(self) -> None:
        """Ends the kernel and removes the scratch folder."""
        if self._closed:
            return
        self._closed = True
        try:
            await self.kernel.aclose()
        finally:
            await asyncio.to_thread(shutil.rmtree, self.workdir, ignore_errors=True)


async def assemble(
    task: Task,
    settings: Settings | None,
    *,
    recorder: Record | None = None,
    seed: int = 0,
    media: Media | None = None,
    sources: dict[str, str] | None = None,
) -> Parts:
    """Loads the media, starts the record and a kernel.

    Args:
        task: The question; its media are loaded unless `media` is given.
        settings: The defaults when None.
        recorder: Where to record; in memory when None.
        seed: Seed of everything random.
        media: Media that are loaded already.
        sources: Where each setting came from, for the record.

    Raises:
        MediaError: The media cannot be used.
        ConfinementError: The confinement asked for cannot be had.
        KernelStartError: No kernel could be started.
    """
    from spatialclaw.kernel.folders import make_scratch

    settings = settings or Settings()
    record = recorder if recorder is not None else NoRecord()
    workdir = await asyncio.to_thread(make_scratch)
    try:
        if media is None and task.media:
            media = await _load(task.media, settings.frames, workdir / "frames")
        start = getattr(record, "start", None)
        if start is not None:
            start(**_facts(task, settings, media, seed, sources))
        for note in media.notes if media is not None else ():
            record.event("note", text=note)
        tools = VlmTools(Prompts(settings.prompts_dir))
        kernel = await _kernel(task, settings, media, record, tools)
    except BaseException:
        shutil.rmtree(workdir, ignore_errors=True)
        raise
    return Parts(media, kernel, record, tools, workdir)


async def _load(paths: Sequence[Path], frames: int, workdir: Path) -> Media:
    from spatialclaw.media import load

    return await asyncio.to_thread(load, list(paths), frames=frames, workdir=workdir)


async def _kernel(
    task: Task, settings: Settings, media: Media | None, record: Record, tools: VlmTools
) -> Kernel:
    from spatialclaw.kernel import Kernel, KernelOptions

    options = KernelOptions(
        manifest=media.manifest if media is not None else None,
        question=task.question,
        choices=task.choices,
        confine=settings.confine,
        memory_bytes=settings.memory * 1024**2,
        gateway=_gateway(media, record, tools),
        transactional=True,
    )
    kernel = await Kernel.start(options)
    for note in kernel.notes:
        record.event("note", text=note)
    return kernel


def _gateway(media: Media | None, record: Record, tools: VlmTools) -> Gateway:
    from spatialclaw.kernel import Gateway, WithFiles
    from spatialclaw.kernel.methods import DecodeParams, frames_reply

    def keep(call: Call) -> None:
        record.event(
            "perception",
            method=call.method,
            params=call.params,
            ok=call.ok,
            error=call.error,
            result=call.result,
            seconds=round(call.seconds, 4),
            bytes_in=call.bytes_in,
            bytes_out=call.bytes_out,
        )

    gateway = Gateway(record=keep)
    tools.register(gateway)
    if media is not None:
        loaded = media

        async def decode(params: DecodeParams) -> WithFiles:
            manifest = await asyncio.to_thread(
                loaded.decode,
                params.video,
                times=params.times,
                indices=params.indices,
                fps=params.fps,
                start=params.start,
                stop=params.end,
                max_size=params.max_size,
            )
            reply: WithFiles = frames_reply(manifest)
            return reply

        gateway.register("media.decode", DecodeParams, decode, quota=64)
    return gateway


def _facts(
    task: Task,
    settings: Settings,
    media: Media | None,
    seed: int,
    sources: dict[str, str] | None,
) -> dict[str, Any]:
    return {
        "question": task.question,
        "choices": task.choices,
        "answer_type": task.answer_type,
        "unit": task.unit,
        "id": task.id,
        "media": [
            {**item, "absolute": str(Path(item["path"]).absolute())}
            for item in (media.inputs if media is not None else ())
        ],
        "frames": [
            {"name": s.name, "kind": s.kind, "count": len(s), "info": _brief(s.info)}
            for s in (media.sequences if media is not None else ())
        ],
        "settings": settings.public(),
        "sources": sources or {},
        "seed": seed,
    }


def _brief(info: dict[str, Any]) -> dict[str, Any]:
    """What is known of a sequence, without its longest tables."""
    return {key: value for key, value in info.items() if key != "trajectory"}
