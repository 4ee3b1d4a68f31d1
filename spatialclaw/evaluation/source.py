"""Where the data of a benchmark lies, and a row of it as the publisher wrote it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from spatialclaw.evaluation.rows import Row

__all__ = ["Record", "RowProblem", "Source", "Subset"]


class RowProblem(Exception):
    """A row that cannot become a question: it is left out, with this one line as the reason."""


class Record(Mapping[str, Any]):
    """One row of a table, by the names of its columns.

    A column that is not there raises `RowProblem`; `get` gives a default instead.

    Attributes:
        table: The table's path within the data.
        number: Which row of that table, from 0.
        index: Which row of all, in file order, from 0.
    """

    def __init__(
        self, values: Mapping[str, Any], table: str = "", number: int = 0, index: int = 0
    ) -> None:
        self.values_by_name = values
        self.table, self.number, self.index = table, number, index

    def __getitem__(self, name: str) -> Any:
        try:
            return self.values_by_name[name]
        except KeyError:
            there = ", ".join(map(str, self.values_by_name))
            raise RowProblem(f"no column {name!r} (there are {there})") from None

    def get(self, name: str, default: Any = None) -> Any:
        """The value, or the default where the column is missing or null."""
        value = self.values_by_name.get(name)
        return default if value is None else value

    def text(self, name: str) -> str:
        """The value as text without blanks around it; "" for null."""
        value = self[name]
        return "" if value is None else str(value).strip()

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)

    def __contains__(self, name: object) -> bool:
        return name in self.values_by_name


@dataclass(frozen=True)
class Subset:
    """A part of a benchmark that is reported on its own.

    Attributes:
        count: Published number of questions, or None when unsure.
        tables: As in `Source`; empty for the source's own.
        keep: Which rows of the tables belong to it; None for all.
        aliases: Other names of the benchmark with this subset.
        media: As in `Source`; empty for the source's own.
        expand: Makes several questions of one, such as all orders of its options.
    """

    count: int | None = None
    tables: tuple[str, ...] = ()
    keep: Callable[[Record], bool] | None = None
    aliases: tuple[str, ...] = ()
    media: tuple[str, ...] = ()
    expand: Callable[[Row], Iterable[Row]] | None = None


@dataclass(frozen=True)
class Source:
    """The files of a benchmark in its publisher's layout.

    Attributes:
        tables: Patterns of the files that hold the rows, in order; "a | b" means b where no file
            is like a. A table may lie in an archive.
        media: Patterns of the files on the hub that hold the media, archives or loose files;
            empty when the tables hold them.
        subsets: By name.
        default: The subset that the bare name means, or "" for the tables above.
        revision: Commit of the hub repository, where one is given; else it is resolved when the
            benchmark is prepared, and recorded.
        gigabytes: About how much there is to download, or None when unsure.
        prefixes: What paths in the data begin with that the files do not.
    """

    tables: tuple[str, ...]
    media: tuple[str, ...] = ()
    subsets: Mapping[str, Subset] = field(default_factory=dict)
    default: str = ""
    revision: str | None = None
    gigabytes: float | None = None
    prefixes: tuple[str, ...] = ()

    def subset(self, name: str) -> Subset:
        """The subset of a name, with what it does not say filled in from the source."""
        found = self.subsets.get(name or self.default, Subset())
        return Subset(
            found.count,
            found.tables or self.tables,
            found.keep,
            found.aliases,
            found.media or self.media,
            found.expand,
        )
