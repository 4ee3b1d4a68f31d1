"""The list of runs: filters, search and pages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from spatialclaw.viewer.index import Row

__all__ = ["FILTERS", "PAGE", "Listing", "listing"]

PAGE = 50
FILTERS = ("status", "backend", "model", "benchmark", "outcome", "verdict")
_SORTS = {"newest", "oldest", "slowest", "dearest", "steps"}


@dataclass
class Listing:
    """One page of the list.

    Attributes:
        rows: On this page.
        matching: How many there are on all pages.
        page: From 1.
        pages: How many.
        chosen: The filters, search and order in use.
        choices: For each filter the values that occur, with their number.
    """

    rows: list[Row]
    matching: int
    page: int
    pages: int
    chosen: dict[str, str]
    choices: dict[str, list[tuple[str, int]]] = field(default_factory=dict)

    def address(self, **changes: Any) -> str:
        """The address of another page or order of this list."""
        wanted = {**self.chosen, "page": self.page, **changes}
        kept = {k: v for k, v in wanted.items() if v not in ("", None) and (k, v) != ("page", 1)}
        return f"/?{urlencode(kept)}" if kept else "/"


def listing(
    rows: Sequence[Row], query: Mapping[str, str], verdicts: Mapping[str, Mapping[str, Any]]
) -> Listing:
    """The page that an address asks for.

    Args:
        rows: All runs, newest first.
        query: q, page, sort and the filters.
        verdicts: What people said, by key.
    """
    chosen = {name: query.get(name, "")[:200] for name in ("q", *FILTERS)}
    sort = query.get("sort", "newest")
    chosen["sort"] = sort if sort in _SORTS and sort != "newest" else ""

    def value(row: Row, name: str) -> str:
        if name == "verdict":
            return str(verdicts.get(row.key, {}).get("verdict") or "")
        return str(getattr(row, name))

    choices = {}
    for name in FILTERS:
        counts = Counter(value(row, name) for row in rows)
        counts.pop("", None)
        choices[name] = sorted(counts.items())[:200]
    words = chosen["q"].lower().split()
    wanted = [(name, chosen[name]) for name in FILTERS if chosen[name]]
    found = [
        row
        for row in rows
        if all(word in row.text for word in words)
        and all(value(row, name) == text for name, text in wanted)
    ]
    _order(found, sort)
    pages = max(1, -(-len(found) // PAGE))
    page = min(pages, max(1, _whole(query.get("page"))))
    start = (page - 1) * PAGE
    return Listing(found[start : start + PAGE], len(found), page, pages, chosen, choices)


def _order(rows: list[Row], sort: str) -> None:
    if sort == "oldest":
        rows.reverse()
    elif sort == "slowest":
        rows.sort(key=lambda row: -(row.seconds or 0.0))
    elif sort == "dearest":
        rows.sort(key=lambda row: -(row.cost or 0.0))
    elif sort == "steps":
        rows.sort(key=lambda row: -row.steps)


def _whole(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 1
