"""Puts together what one question needs: media, record, gateway and kernel."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatialclaw.agent.earlier import Earlier, EarlierCells, execute_earlier
from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.record import NoRecord, Record
from spatialclaw.agent.types import Task
from spatialclaw.agent.vlm_tools import VlmTools
from spatialclaw.config import Settings

if TYPE_CHECKING:
    from spatialclaw.backends.base import ChatClient
    from spatialclaw.kernel.gateway import Call, Gateway
    from spatialclaw.kernel.kernel import Kernel
    from spatialclaw.kernel.options import KernelOptions
    from spatialclaw.kernel.pool import KernelPool
    from spatialclaw.media import Media
    from spatialclaw.perception.cells import PerceptionTools

__all__ = ["Parts", "assemble", "kernel_options", "kernel_pool", "run_facts"]


@dataclass
class Parts:
    """What one run holds open; `aclose` ends all of it.

    Attributes:
        media: The decoded media, or None for a kernel without.
        kernel: A kernel whose namespace is set.
        record: Where the run is recorded.
        tools: The handlers of `locate` and `look`; its `chat` may be set later.
        workdir: Scratch folder of the frames, removed at the end.
        chat: The VLM, where it is known already.
        earlier: Cells that were executed before the loop, or None.
        perception: The handlers of calls to models.
    """

    media: Media | None
    kernel: Kernel
    record: Record
    tools: VlmTools
    workdir: Path
    chat: ChatClient | None = None
    earlier: EarlierCells | None = None
    perception: PerceptionTools | None = None
    _users: list[None] = field(default_factory=lambda: [None], repr=False)
    _closed: bool = field(default=False, repr=False)

    async def pose(self, task: Task) -> None:
        """Puts a further question into the namespace of the kernel."""
        self.kernel.options = replace(
            self.kernel.options, question=task.question, choices=task.choices
        )
        choices = dict(task.choices) if task.choices else None
        await self.kernel.execute(f"question = {task.question!r}; choices = {choices!r}")

    async def available(self) -> str:
        """What answers for this input, a line for each primitive, and what brings the rest."""
        if self.perception is None or self.media is None:
            return ""
        from spatialclaw.perception.params import OfferParams
        from spatialclaw.primitives.available import METHODS, availability

        found = {}
        for method in METHODS:
            said = await self.perception.offer(OfferParams(task=method))
            found[method] = (said["model"], str(said["command"]))
        return repr(availability(self.media.sequences, found.__getitem__))

    async def branch(self, record: Record, prompts: Prompts, name: str | None = None) -> Parts:
        """The same again with a kernel of its own, from a snapshot or the present state.

        Args:
            record: Where the branch is recorded.
            prompts: For its `locate` and `look`.
            name: Of the snapshot; None for the present state.

        Raises:
            KeyError: No snapshot of that name was taken.
            KernelStartError: No kernel can be had.
        """
        tools = VlmTools(prompts)
        gateway = _gateway(self.media, record, tools)
        perception = None if self.perception is None else self.perception.another()
        if perception is not None:
            perception.register(gateway)
        kernel = await self.kernel.branch(name, gateway=gateway)
        self._users.append(None)
        return replace(self, kernel=kernel, record=record, tools=tools, perception=perception)

    async def aclose(self) -> None:
        """Ends the kernel and removes the scratch folder."""
        if self._closed:
            return
        self._closed = True
        try:
            await self.kernel.aclose()
        finally:
            if self.perception is not None:
                await self.perception.aclose()
            self._users.pop()
            if not self._users:  # else a branch works on the same frames
                await asyncio.to_thread(shutil.rmtree, self.workdir, ignore_errors=True)


async def assemble(
    task: Task,
    settings: Settings | None,
    *,
    recorder: Record | None = None,
    seed: int = 0,
    media: Media | None = None,
    sources: dict[str, str] | None = None,
    pool: KernelPool | None = None,
    earlier: Earlier | None = None,
) -> Parts:
    """Loads the media, starts the record and a kernel.

    The kernel starts while the media are decoded.

    Args:
        task: The question; its media are loaded unless `media` is given.
        settings: The defaults when None.
        recorder: Where to record; in memory when None.
        seed: Seed of everything random.
        media: Media that are loaded already.
        sources: Where each setting came from, for the record.
        pool: Warm kernels of this event loop to take one from; see `kernel_pool`.
        earlier: Cells that are executed first; `Parts.earlier` then tells what they did.

    Raises:
        MediaError: The media cannot be used.
        RunError: The earlier cells cannot be executed.
        ConfinementError: The confinement asked for cannot be had.
        KernelStartError: No kernel could be started.
    """
    from spatialclaw.kernel.folders import make_scratch
    from spatialclaw.perception.cells import perception_tools

    settings = settings or Settings()
    record = recorder if recorder is not None else NoRecord()
    workdir = await asyncio.to_thread(make_scratch)
    bare = None
    if pool is None and await asyncio.to_thread(_all_exist, task.media):
        bare = asyncio.ensure_future(_bare(settings))
    kernel: Kernel | None = None
    try:
        if media is None and task.media:
            media = await _load(task.media, settings.frames, workdir / "frames")
        start = getattr(record, "start", None)
        if start is not None:
            start(**run_facts(task, settings, media, seed, sources, earlier))
        for note in media.notes if media is not None else ():
            record.event("note", text=note)
        tools = VlmTools(Prompts(settings.prompts_dir))
        gateway = _gateway(media, record, tools)
        perception = perception_tools(media, settings)
        await perception.check()
        perception.register(gateway)
        options = replace(
            kernel_options(settings),
            manifest=media.manifest if media is not None else None,
            question=task.question,
            choices=task.choices,
            gateway=gateway,
        )
        kernel = await _kernel(options, pool, bare)
        for note in kernel.notes:
            record.event("note", text=note)
        parts = Parts(media, kernel, record, tools, workdir, perception=perception)
        if earlier is not None:
            limit = settings.cell_timeout
            parts.earlier = await execute_earlier(parts, earlier, seconds=limit)
    except BaseException:
        if kernel is None and bare is not None:
            await _discard(bare)
        if kernel is not None:
            await kernel.aclose()
        shutil.rmtree(workdir, ignore_errors=True)
        raise
    return parts


def kernel_options(settings: Settings) -> KernelOptions:
    """What the kernels of runs with these settings are started with."""
    from spatialclaw.kernel import KernelOptions

    return KernelOptions(
        confine=settings.confine,
        memory_bytes=settings.memory * 1024**2,
        transactional=True,
    )


def kernel_pool(settings: Settings | None = None, *, size: int = 2, starts: int = 4) -> KernelPool:
    """Warm kernels for many runs of one event loop.

    Args:
        settings: Those of the runs; the kernels are started as these say.
        size: Kernels kept ready.
        starts: Starts at the same time, with those for runs that found none ready.

    Example:
        >>> async with kernel_pool(size=2) as pool:  # doctest: +SKIP
        ...     answers = await asyncio.gather(*(aask(m, q, pool=pool) for m, q in questions))
    """
    from spatialclaw.kernel import KernelPool

    return KernelPool(kernel_options(settings or Settings()), size=size, starts=starts)


async def _bare(settings: Settings) -> Kernel:
    from spatialclaw.kernel import Kernel

    return await Kernel.start_bare(kernel_options(settings))


async def _kernel(
    options: KernelOptions, pool: KernelPool | None, bare: asyncio.Future[Kernel] | None
) -> Kernel:
    from spatialclaw.kernel import Kernel

    if pool is not None:
        return await pool.get(options)
    if bare is None:
        return await Kernel.start(options)
    kernel = await bare
    await kernel.assign(options)
    return kernel


async def _discard(bare: asyncio.Future[Kernel]) -> None:
    """Ends a kernel that is on its way and not wanted any more."""
    bare.cancel()
    await asyncio.gather(bare, return_exceptions=True)
    if not bare.cancelled() and bare.exception() is None:
        await bare.result().aclose()


def _all_exist(paths: Sequence[Path]) -> bool:
    return all(Path(path).exists() for path in paths)


async def _load(paths: Sequence[Path], frames: int, workdir: Path) -> Media:
    from spatialclaw.media import load

    return await asyncio.to_thread(load, list(paths), frames=frames, workdir=workdir)


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


def run_facts(
    task: Task,
    settings: Settings,
    media: Media | None,
    seed: int,
    sources: dict[str, str] | None,
    earlier: Earlier | None,
) -> dict[str, Any]:
    """What `run.json` says of a run; without media where they were not read."""
    continues = {} if earlier is None else {"continues": earlier.describe()}
    return continues | {
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
