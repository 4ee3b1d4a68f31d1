"""The same evaluation on a Ray cluster: workers answer, the driver alone keeps results.

Each worker is a Ray actor with a backend, kernels and frames of its own; it takes several questions
at once. What it returns is the answer and the run folder, packed; the driver unpacks it beside its
store. A worker that dies loses nothing: its questions fail as infrastructure, and the runner asks
them again, on another worker or on the same one once Ray has started it anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import shutil
import tarfile
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from spatialclaw.config import Resolved, Settings
from spatialclaw.errors import SpatialclawError, UsageError
from spatialclaw.evaluation.asking import Asker
from spatialclaw.evaluation.outcomes import Ended
from spatialclaw.evaluation.rows import Row
from spatialclaw.evaluation.throttle import OutOfMoney, Purse

__all__ = ["RayEngine", "Worker", "connect_ray", "pack", "unpack"]

START_SECONDS = 300.0


def pack(folder: Path) -> bytes:
    """A run folder as one archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        archive.add(folder, arcname=".")
    return buffer.getvalue()


def unpack(data: bytes, folder: Path) -> None:
    """Writes a packed run folder; all of it is there, or nothing is.

    Raises:
        tarfile.TarError: A name in the archive leads out of the folder, or it is damaged.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}-", dir=folder.parent))
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz") as archive:
            for member in archive:
                _extract(archive, member, draft)
        draft.chmod(0o755)
        draft.replace(folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Writes one member: plain files and folders inside the folder, nothing else."""
    # Python's own filter for this came with 3.11.4 only.
    target = folder / member.name
    if not target.resolve().is_relative_to(folder.resolve()):
        raise tarfile.TarError(f"{member.name} leads out of the folder")
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content = archive.extractfile(member) if member.isfile() else None
    if content is None:
        raise tarfile.TarError(f"{member.name} is no plain file")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(content, file)


class Worker:
    """Answers questions in a process of a cluster; `RayEngine` makes an actor of it.

    Args:
        settings: JSON values of the settings, the key apart.
        key: The key of the model's server, or None.
        sources: Where each setting came from.
        concurrency: Questions at once.
    """

    def __init__(
        self, settings: dict[str, Any], key: str | None, sources: dict[str, str], concurrency: int
    ) -> None:
        made = Settings(**settings, api_key=key)
        resolved = Resolved(settings=made, sources=sources)
        self._asker = Asker(resolved, concurrency=concurrency, purse=Purse())
        self._starting: asyncio.Task[None] | None = None

    async def identity(self) -> dict[str, Any]:
        """Who answers here, and which process this is."""
        await self._start()
        return {**self._asker.identity, "pid": os.getpid()}

    async def ask(self, row: Row, epoch: int) -> tuple[Ended, bytes | None]:
        """How a question ended, and its run folder, packed.

        Errors come back as values: an exception of ours may not be known to the driver's pickle.
        """
        scratch = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="spatialclaw-run-"))
        try:
            await self._start()
            ended = await self._asker.ask(row, epoch, scratch / "run")
            packed = None
            if (scratch / "run").is_dir():
                packed = await asyncio.to_thread(pack, scratch / "run")
            return ended, packed
        except SpatialclawError as error:
            return Ended(None, "worker", str(error), passing=True), None
        finally:
            await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)

    async def allowed(self) -> int:
        """Questions that this worker may take at once now."""
        return self._asker.allowed

    async def _start(self) -> None:
        if self._starting is None:
            self._starting = asyncio.create_task(self._asker.start())
        try:
            await asyncio.shield(self._starting)
        except SpatialclawError:
            self._starting = None  # the server may be there the next time
            raise


@dataclass
class _Seat:
    actor: Any
    busy: int = 0


class RayEngine:
    """An `Engine` whose questions are answered by actors of a Ray cluster.

    Args:
        resolved: The settings; files that they and the questions name lie on a file system that
            all nodes see at the same place.
        concurrency: Questions under way at once, on all workers together.
        workers: Actors; None for one for each 8 questions.
        address: Of the cluster; None starts one on this machine.
        cpus: Processor share that each worker asks of Ray.
    """

    def __init__(
        self,
        resolved: Resolved,
        *,
        concurrency: int,
        workers: int | None = None,
        address: str | None = None,
        cpus: float = 1.0,
    ) -> None:
        self.resolved = resolved
        self.purse = Purse()
        self.identity: dict[str, Any] = {}
        count = workers if workers is not None else max(1, -(-concurrency // 8))
        if count < 1:
            raise UsageError(f"{count} workers", hint="--ray-workers is 1 or more.")
        self._each = max(1, -(-concurrency // count))
        self._concurrency = concurrency
        self._count = count
        self._address = address
        self._cpus = cpus
        self._seats: list[_Seat] = []
        self._free = asyncio.Condition()
        self._own = False

    @property
    def allowed(self) -> int:
        """Questions that may be under way."""
        return self._concurrency

    async def start(self) -> None:
        """Connects to the cluster, or starts one here, and starts the workers.

        Raises:
            UsageError: Ray is not installed, or there is no cluster at the address.
            BackendError: The workers cannot use the model's server.
        """
        ray = _ray()
        self._own = not ray.is_initialized()
        if self._own:
            await asyncio.to_thread(_connect, ray, self._address, self._count)
        actor = ray.remote(
            num_cpus=self._cpus,
            max_restarts=-1,
            # The runner asks a lost question again, and counts and records that it does.
            max_task_retries=0,
            max_concurrency=self._each + 4,
        )(Worker)
        settings = self.resolved.settings
        public = settings.model_dump(mode="json", exclude={"api_key"})
        key = settings.api_key.get_secret_value() if settings.api_key else None
        self._seats = [
            _Seat(actor.remote(public, key, self.resolved.sources, self._each))
            for _ in range(self._count)
        ]
        try:
            async with asyncio.timeout(START_SECONDS):
                found = await self._seats[0].actor.identity.remote()
        except TimeoutError:
            raise UsageError(
                f"no worker started within {START_SECONDS:.0f} s",
                hint=f"Does the cluster have {self._count} free CPUs? See `ray status`.",
            ) from None
        except ray.exceptions.RayTaskError as error:
            raise _cause(error) from None
        self.identity = {"name": found["name"], "model": found["model"]}

    async def ask(self, row: Row, epoch: int, run_dir: Path) -> Ended:
        """See `spatialclaw.evaluation.asking.Engine`."""
        import ray

        self.purse.check()
        seat = await self._take()
        ended: Ended
        try:
            ended, packed = await seat.actor.ask.remote(row, epoch)
        except ray.exceptions.RayActorError as error:
            return Ended(None, "worker", f"a worker was lost: {_first_line(error)}", passing=True)
        except ray.exceptions.RayTaskError as error:
            cause = _cause(error)
            if isinstance(cause, OutOfMoney):
                raise cause from None
            return Ended(None, "fault", _first_line(error))
        except ray.exceptions.RayError as error:
            return Ended(None, "worker", _first_line(error), passing=True)
        finally:
            async with self._free:
                seat.busy -= 1
                self._free.notify()
        if ended.usage is not None:
            self.purse.pay(ended.usage.cost_usd)
        if packed is not None:
            await asyncio.to_thread(unpack, packed, run_dir)
        if ended.answer is not None:
            return replace(ended, answer=replace(ended.answer, run=run_dir))
        return ended

    async def aclose(self) -> None:
        """Ends the workers, and the cluster when it was started here."""
        if not self._seats and not self._own:
            return
        import ray

        for seat in self._seats:
            with contextlib.suppress(Exception):  # it may be dead already
                ray.kill(seat.actor)
        self._seats = []
        if self._own:
            self._own = False
            await asyncio.to_thread(ray.shutdown)

    async def _take(self) -> _Seat:
        """A place at the worker with the fewest questions."""
        async with self._free:
            while True:
                seat = min(self._seats, key=lambda s: s.busy)
                if seat.busy < self._each:
                    seat.busy += 1
                    return seat
                await self._free.wait()


def connect_ray(address: str | None = None) -> None:
    """Connects this process to a cluster, unless it is connected; None takes one on this machine.

    Raises:
        UsageError: Ray is not installed, or there is no cluster there.
    """
    ray = _ray()
    if not ray.is_initialized():
        _connect(ray, address, 1)


def _ray() -> Any:
    # Otherwise Ray warns of it at every start.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    # A busy machine takes its time to start a node's agent, and the node dies of waiting for it.
    os.environ.setdefault("RAY_agent_register_timeout_ms", "120000")
    try:
        import ray
    except ImportError:
        raise UsageError(
            "the engine ray needs the package ray, which is not installed",
            hint='Install it: pip install "spatialclaw[cluster]".',
        ) from None
    return ray


def _connect(ray: Any, address: str | None, workers: int) -> None:
    here = address in (None, "local")
    options: dict[str, Any] = {"logging_level": logging.ERROR, "log_to_driver": False}
    if here:
        # The workers wait for a model far more than they compute.
        cpus = max(workers, os.cpu_count() or 1)
        # Questions, answers and packed run folders pass through the object store: little.
        options |= {"num_cpus": cpus, "include_dashboard": False,
                    "object_store_memory": 256 * 1024**2}  # fmt: skip
    try:
        ray.init(address="local" if here else address, **options)
    except Exception as error:  # Ray raises bare exceptions, too, where a node does not start
        raise UsageError(
            f"no Ray cluster at {address or 'this machine'}: {_first_line(error)}",
            hint="`ray status` says what there is; --ray-address auto finds one on this machine.",
        ) from error


def _cause(error: Any) -> Exception:
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, SpatialclawError) else UsageError(_first_line(error))


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:300]
