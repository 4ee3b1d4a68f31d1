"""Prepares a benchmark: fetched, proven whole, counted; everything afterwards is offline."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatialclaw.errors import UsageError
from spatialclaw.evaluation.benchmark import Benchmark
from spatialclaw.evaluation.data.archives import fetch
from spatialclaw.evaluation.data.check import broken_media
from spatialclaw.evaluation.data.files import Files
from spatialclaw.evaluation.data.forms import pick
from spatialclaw.evaluation.data.hub import Lock, Remote, Repository, human
from spatialclaw.evaluation.data.loading import (
    build,
    cache_folder,
    load_dataset,
    lock_path,
    resolve_name,
    without_broken,
)
from spatialclaw.evaluation.data.names import is_archive
from spatialclaw.evaluation.rows import Dataset, Medium, Row

__all__ = ["Prepared", "prepare"]

LARGE = 5_000_000_000

Tell = Callable[[str], None]
Confirm = Callable[[str], bool]


@dataclass(frozen=True)
class Prepared:
    """What was prepared.

    Attributes:
        dataset: The questions that can be asked now.
        broken: Media that cannot be shown, path to reason; their questions are left out.
        folder: Where the data lies.
    """

    dataset: Dataset
    broken: dict[str, str]
    folder: Path


def prepare(
    name: str,
    *,
    data_dir: Path | None = None,
    cache_dir: Path | None = None,
    revision: str | None = None,
    limit: int | None = None,
    check: bool = True,
    tell: Tell = lambda line: None,
    confirm: Confirm = lambda question: True,
) -> Prepared:
    """Fetches what a benchmark needs, unless it is there, and looks at all of it.

    Args:
        name: As for `load_dataset`.
        data_dir: A copy in the publisher's layout; nothing is fetched then.
        cache_dir: See `cache_folder`.
        revision: Branch, tag or commit of the hub repository. Without it the commit that was
            prepared before, else the pinned one, else the newest.
        limit: Fetch loose media only for so many questions (chosen as `pick` does).
        check: Also take media out of archives and decode them.
        tell: Is told what goes on, line by line.
        confirm: Is asked before very much is fetched.

    Raises:
        UsageError: No such benchmark or revision, no access, no room, damaged data, or not
            confirmed.
        BackendUnreachable: The hub cannot be reached; saying it again goes on.
    """
    from spatialclaw.evaluation.data.custom import custom_file

    if custom_file(name) is not None:
        dataset = load_dataset(name, data_dir=data_dir)
        return _looked_at(dataset, dataset.rows, None, check, tell, Path(dataset.source).parent)
    benchmark, subset = resolve_name(name)
    cache = cache_folder(cache_dir) / benchmark.name
    if benchmark.source is not None and benchmark.generate is None and data_dir is None:
        _fetch(benchmark, subset, cache, revision, limit, tell, confirm)
    dataset = load_dataset(name, data_dir=data_dir, cache_dir=cache_dir, tell=tell)
    folder = data_dir or (cache if benchmark.generate else cache / "data")
    rows = pick(list(dataset.rows), limit)
    return _looked_at(dataset, rows, lock_path(cache, folder), check, tell, folder)


def _looked_at(
    dataset: Dataset,
    rows: Sequence[Row],
    lock: Path | None,
    check: bool,
    tell: Tell,
    folder: Path,
) -> Prepared:
    broken: dict[str, str] = {}
    if check:
        tell(f"looking at the media of {len(rows):,} questions")
        taken = _taken(rows, tell)
        broken = broken_media(taken)
        if lock is not None:
            Lock(lock).save(broken=broken)
    dataset = without_broken(dataset, broken)
    return Prepared(dataset, broken, folder)


def _taken(rows: Sequence[Row], tell: Tell) -> Iterator[Medium]:
    """The media of rows, those in archives taken out if the disk has room for that."""
    waiting = {
        medium.path: medium.archive[0]
        for row in rows
        for medium in row.media
        if medium.archive is not None and not medium.path.exists()
    }
    archives = {archive: archive.stat().st_size for archive in set(waiting.values())}
    need = sum(archives.values())
    place = next(iter(waiting), None)
    while place is not None and not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free if place is not None else 0
    if need * 1.05 > free and place is not None:
        tell(
            f"media in archives are not looked at: out of them they take about {human(need)}, "
            f"{human(free)} are free; each is taken out when it is asked about"
        )
        yield from (m for row in rows for m in row.media if m.path not in waiting)
        return
    for row in rows:
        yield from fetch(row).media


def _fetch(
    benchmark: Benchmark,
    subset: str,
    cache: Path,
    revision: str | None,
    limit: int | None,
    tell: Tell,
    confirm: Confirm,
) -> None:
    source = benchmark.source
    assert source is not None
    folder = cache / "data"
    lock = Lock(lock_path(cache, folder))
    wanted = revision or lock.revision or source.revision
    repository = Repository(benchmark.hub, wanted)
    if lock.revision and lock.revision != repository.revision:
        tell(f"revision {repository.revision[:12]} takes the place of {lock.revision[:12]}")
    lock.save(hub=benchmark.hub, revision=repository.revision)
    part = source.subset(subset)
    tables = [remote for pattern in part.tables for remote in repository.first_like(pattern)]
    media = [r for r in repository.like(part.media) if r not in tables]
    archives = [remote for remote in media if is_archive(remote.name)]
    loose = [remote for remote in media if not is_archive(remote.name)]
    if not tables and not archives:
        names = ", ".join(sorted(repository.files)[:8]) or "no files"
        raise UsageError(
            f"{benchmark.hub} at {repository.revision[:12]} has none of {', '.join(part.tables)}",
            hint=f"There is {names}. Another --revision may have them.",
        )
    _confirmed([*tables, *archives], folder, lock, benchmark, confirm)
    repository.fetch([*tables, *archives], folder, lock, tell)
    if loose:
        files = Files(folder, cache / "media", source.prefixes)
        files.names.add_remote({remote.name: remote.size for remote in loose})
        rows = pick(list(build(benchmark, subset, files).rows), limit)
        paths = {medium.path for row in rows for medium in row.media}
        needed = [remote for remote in loose if folder / remote.name in paths]
        _confirmed(needed, folder, lock, benchmark, confirm)
        repository.fetch(needed, folder, lock, tell)


def _confirmed(
    remotes: Sequence[Remote], folder: Path, lock: Lock, benchmark: Benchmark, confirm: Confirm
) -> None:
    size = sum(r.size for r in remotes if not lock.holds(r, folder / r.name))
    if size > LARGE and not confirm(f"{benchmark.name} takes {human(size)}. Fetch it?"):
        raise UsageError(f"{benchmark.name} takes {human(size)}", hint="Say --yes to fetch it.")
