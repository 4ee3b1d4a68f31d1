"""An evaluation from its questions to its report; the command line calls this."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spatialclaw.agent.prompts import Prompts
from spatialclaw.agent.sync import LoopThread
from spatialclaw.config import Resolved
from spatialclaw.errors import RunError, UsageError
from spatialclaw.evaluation.asking import Asker, Engine
from spatialclaw.evaluation.judge import JudgeOptions, judge_open, prompt_version
from spatialclaw.evaluation.manifest import (
    MANIFEST,
    make_manifest,
    read_manifest,
    refuse_other,
    write_manifest,
)
from spatialclaw.evaluation.progress import Progress
from spatialclaw.evaluation.report import write_reports
from spatialclaw.evaluation.rows import Dataset, Row
from spatialclaw.evaluation.runner import Runner, Stopped, select
from spatialclaw.evaluation.store import RESULTS, FolderLock, Store
from spatialclaw.evaluation.summary import summarise
from spatialclaw.evaluation.throttle import Purse

__all__ = ["Evaluated", "Plan", "default_folder", "evaluate", "load_questions", "summarise_folder"]

DEFAULT_ROOT = Path("spatialclaw-evals")


@dataclass(frozen=True)
class Plan:
    """What is to be evaluated, and how.

    Attributes:
        names: Benchmarks, as `load_dataset` takes them.
        resolved: The settings.
        out: The evaluation's folder; None for a name made of benchmarks, model and interface.
        limit: At most so many questions of each benchmark.
        epochs: How often each question is asked.
        concurrency: Questions under way at once.
        subset_seed: Of the shuffle before a limit cuts.
        shard: (number from 0, of how many), or None.
        fork: Take a new folder when the settings differ.
        retries: Further attempts when the infrastructure fails.
        pause: Seconds before the first of them.
        max_total_cost: US dollars for the evaluation.
        data_dir: A copy of the data in the publisher's own layout.
        cache_dir: Where prepared data lies.
        engine: "local" or "ray".
        ray_address: Of a cluster; None starts one on this machine.
        ray_workers: Workers; None for one for each 8 questions under way.
        judge: Who judges free answers that no rule scores, or None.
        quiet: Show no progress.
        line_seconds: Between two lines of progress where there is no terminal.
    """

    names: Sequence[str]
    resolved: Resolved
    out: Path | None = None
    limit: int | None = None
    epochs: int = 1
    concurrency: int = 8
    subset_seed: int = 42
    shard: tuple[int, int] | None = None
    fork: bool = False
    retries: int = 3
    pause: float = 2.0
    max_total_cost: float | None = None
    data_dir: Path | None = None
    cache_dir: Path | None = None
    engine: str = "local"
    ray_address: str | None = None
    ray_workers: int | None = None
    judge: JudgeOptions | None = None
    quiet: bool = False
    line_seconds: float = 60.0


@dataclass(frozen=True)
class Evaluated:
    """How an evaluation stands.

    Attributes:
        folder: Where it lies.
        summary: Its figures; see `spatialclaw.evaluation.summary.summarise`.
        manifest: What it is.
        stopped: Why it ended early, or None.
        notes: What the user should know.
    """

    folder: Path
    summary: Mapping[str, Any]
    manifest: Mapping[str, Any]
    stopped: Stopped | None = None
    notes: Sequence[str] = field(default_factory=list)


def evaluate(plan: Plan) -> Evaluated:
    """Runs an evaluation, or goes on with it where it ended.

    Raises:
        UsageError: Unknown benchmark, data that is not there, a folder of another evaluation.
        BackendError: The model's server cannot be used at all.
        RunError: Results cannot be written.
        KeyboardInterrupt: Interrupted; what has ended is kept.
    """
    datasets, chosen, notes = load_questions(plan)
    with LoopThread("evaluation") as loop:
        engine = loop.call(_engine(plan))
        try:
            manifest = make_manifest(
                datasets,
                chosen,
                plan.resolved,
                epochs=plan.epochs,
                limit=plan.limit,
                subset_seed=plan.subset_seed,
                shard=plan.shard,
            )
            manifest["backend"] = engine.identity
            manifest["judge"] = _judge_facts(plan)
            folder, lock = _claim(plan, manifest)
            try:
                store = Store(folder, create=True)
                try:
                    stopped = _run(plan, loop, engine, folder, store, chosen)
                    notes += _judged(plan, loop, store, chosen)
                    return _ended(folder, store, manifest, stopped, notes)
                finally:
                    store.close()
            finally:
                lock.release()
        finally:
            loop.call(engine.aclose())


def load_questions(plan: Plan) -> tuple[list[Dataset], dict[str, list[Row]], list[str]]:
    """The data sets, the questions of each that are asked, and what the user should know.

    Raises:
        UsageError: Nothing to ask, twice the same benchmark, or ids that are not unique.
    """
    from spatialclaw.evaluation.benchmark import use_folder
    from spatialclaw.evaluation.data import load_dataset

    folder = plan.resolved.settings.benchmarks_dir
    if folder is not None:
        use_folder(folder)
    if plan.epochs < 1 or plan.concurrency < 1 or (plan.limit is not None and plan.limit < 1):
        raise UsageError("--limit, --epochs and --concurrency are 1 or more")
    datasets: list[Dataset] = []
    chosen: dict[str, list[Row]] = {}
    notes: list[str] = []
    for name in plan.names:
        dataset = load_dataset(name, data_dir=plan.data_dir, cache_dir=plan.cache_dir)
        if dataset.benchmark in chosen:
            raise UsageError(f"{dataset.benchmark} is named twice")
        twice = [uid for uid, n in Counter(row.uid for row in dataset.rows).items() if n > 1]
        if twice:
            raise UsageError(f"{dataset.benchmark}: the id {twice[0]!r} comes twice")
        datasets.append(dataset)
        chosen[dataset.benchmark] = select(dataset.rows, plan.limit, plan.subset_seed, plan.shard)
        notes += dataset.notes
        if dataset.missing:
            left = f"{len(dataset.missing)} of its questions cannot be asked"
            notes.append(f"{dataset.benchmark}: {left}, the first: {dataset.missing[0]}")
    if not any(chosen.values()):
        raise UsageError("there is nothing to ask", hint="Is the shard larger than the benchmark?")
    return datasets, chosen, notes


def default_folder(plan: Plan) -> Path:
    """The folder's name when none is given: the same command gives the same folder."""
    import re

    settings = plan.resolved.settings
    who = settings.model or settings.backend
    names = "+".join(Path(name).stem if "/" in name else name for name in plan.names)
    limit = f"-{plan.limit}" if plan.limit else ""
    text = f"{names}{limit}-{who}-{settings.interface}"
    return DEFAULT_ROOT / re.sub(r"[^A-Za-z0-9.+_-]+", "-", text)[:120]


def summarise_folder(folder: Path, store: Store, manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """Computes the figures of a folder anew and writes its reports."""
    results = store.results()
    summary = summarise(results, manifest)
    write_reports(folder, summary, manifest, results)
    return summary


async def _engine(plan: Plan) -> Any:
    """The engine, started; its `identity` says who answers."""
    if plan.engine == "ray":
        from spatialclaw.evaluation.ray_engine import RayEngine

        engine: Any = RayEngine(
            plan.resolved,
            concurrency=plan.concurrency,
            workers=plan.ray_workers,
            address=plan.ray_address,
        )
    elif plan.engine == "local":
        engine = Asker(plan.resolved, concurrency=plan.concurrency, purse=Purse())
    else:
        raise UsageError(f"no engine {plan.engine!r}", hint="There are local and ray.")
    try:
        await engine.start()
    except BaseException:
        await engine.aclose()
        raise
    return engine


def _claim(plan: Plan, manifest: dict[str, Any]) -> tuple[Path, FolderLock]:
    """The folder, locked, with a manifest that fits."""
    folder = plan.out or default_folder(plan)
    if plan.shard is not None:
        folder = folder / f"shard-{plan.shard[0]}-of-{plan.shard[1]}"
    for number in range(1, 1000):
        place = folder if number == 1 else folder.with_name(f"{folder.name}-{number}")
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{place} cannot be made: {error.strerror or error}") from error
        lock = FolderLock(place)
        try:
            _settle(place, manifest)
            return place, lock
        except UsageError:
            lock.release()
            if not plan.fork:
                raise
        except BaseException:
            lock.release()
            raise
    raise UsageError(f"there are a thousand forks of {folder}")


def _settle(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes the manifest into a new folder, or sees that an old one fits.

    Raises:
        UsageError: It is another evaluation's, or no evaluation's.
    """
    if not (folder / MANIFEST).is_file():
        others = sorted(p.name for p in folder.iterdir() if not p.name.startswith("."))
        # A manifest comes before anything else: results without one are not from here.
        if others and others != [RESULTS]:
            raise UsageError(
                f"{folder} is not empty and holds no evaluation ({', '.join(others[:3])})",
                hint="Name another folder with --out.",
            )
        write_manifest(folder, manifest)
        return
    try:
        old = read_manifest(folder)
    except RunError as error:
        raise UsageError(error.message, hint=error.hint or "Name another folder.") from error
    if refuse_other(folder, old, manifest):
        # More questions or epochs of the same: what is there stays as it is.
        write_manifest(folder, {**manifest, "created": old.get("created"), "grew_from": old})
    else:
        manifest["created"] = old.get("created")


def _run(
    plan: Plan,
    loop: LoopThread,
    engine: Engine,
    folder: Path,
    store: Store,
    chosen: Mapping[str, Sequence[Row]],
) -> Stopped | None:
    rows = [row for part in chosen.values() for row in part]
    wanted = {(row.benchmark, row.uid, e) for row in rows for e in range(plan.epochs)}
    before = [r for r in store.results() if r.key in wanted and r.outcome != "infra_failed"]
    purse = getattr(engine, "purse", None)
    if purse is not None:
        purse.cap, purse.spent = plan.max_total_cost, store.spent()
    store.note_session({"engine": plan.engine, "concurrency": plan.concurrency,
                        "done": len(before), "of": len(wanted)})  # fmt: skip
    progress = Progress(len(wanted), before, quiet=plan.quiet, line_seconds=plan.line_seconds)
    if before and not plan.quiet:
        print(f"spatialclaw: {len(before)} of {len(wanted)} questions are answered already",
              file=sys.stderr)  # fmt: skip
    runner = Runner(
        folder,
        store,
        engine,
        retries=plan.retries,
        pause=plan.pause,
        listener=progress.add,
        votes=plan.resolved.settings.votes,
    )

    async def work() -> None:
        watch = asyncio.create_task(_watch(runner, progress))
        try:
            await runner.run(rows, plan.epochs)
        finally:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
            progress.under_way = runner.active
            await asyncio.to_thread(progress.show)

    with progress.live():
        try:
            loop.call(work())
        except Stopped as stopped:
            return stopped
    return None


def _judge_facts(plan: Plan) -> dict[str, Any] | None:
    if plan.judge is None:
        return None
    prompts = Prompts(plan.resolved.settings.prompts_dir)
    return {"model": plan.judge.model, "prompt": prompt_version(prompts)}


def _judged(
    plan: Plan, loop: LoopThread, store: Store, chosen: Mapping[str, Sequence[Row]]
) -> list[str]:
    """Lets the judge score what no rule scores."""
    if plan.judge is None:
        return []
    rows = {(row.benchmark, row.uid): row for part in chosen.values() for row in part}
    work = judge_open(store, rows, plan.judge, plan.resolved, concurrency=plan.concurrency)
    return loop.call(work)


async def _watch(runner: Runner, progress: Progress) -> None:
    """Keeps what is shown up to date while no question ends."""
    while True:
        progress.under_way = runner.active
        await asyncio.to_thread(progress.show)
        await asyncio.sleep(1)


def _ended(
    folder: Path,
    store: Store,
    manifest: Mapping[str, Any],
    stopped: Stopped | None,
    notes: Sequence[str],
) -> Evaluated:
    summary = summarise_folder(folder, store, manifest)
    return Evaluated(folder, summary, manifest, stopped, notes)
