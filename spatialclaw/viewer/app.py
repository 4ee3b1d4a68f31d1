"""The pages of the viewer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

from markupsafe import Markup
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route

from spatialclaw.errors import SpatialclawError
from spatialclaw.traces.html import facts
from spatialclaw.traces.html.pictures import picture_file, read_picture
from spatialclaw.traces.html.render import asset, environment, styles
from spatialclaw.traces.html.story import Entry, Story, tell
from spatialclaw.traces.html.text import as_text, one_line
from spatialclaw.traces.read import Run
from spatialclaw.traces.scenes import read_cloud, read_scene
from spatialclaw.viewer.corrections import Corrections, Verdict
from spatialclaw.viewer.evaluations import Evaluation
from spatialclaw.viewer.index import Index, Row
from spatialclaw.viewer.lists import FILTERS, PAGE, listing
from spatialclaw.viewer.live import follow

__all__ = ["make_app"]

_PACKAGE = "spatialclaw.viewer"
_ASSETS = {
    "page.js": "spatialclaw.traces.html",
    "scene.js": "spatialclaw.traces.html",
    "viewer.css": _PACKAGE,
    "viewer.js": _PACKAGE,
}
_TYPES = {"js": "text/javascript", "css": "text/css"}
_MOST_FORM = 100_000


def make_app(
    index: Index, corrections: Corrections, *, stopping: Callable[[], bool] = lambda: False
) -> Starlette:
    """The application; `Guard` goes around it.

    Args:
        index: What is shown.
        corrections: Where verdicts are kept.
        stopping: Whether the viewer is about to end, and live pages with it.
    """
    pages = _Pages(index, corrections, stopping)
    return Starlette(
        routes=[
            Route("/", pages.runs),
            Route("/run/{key:path}", pages.run),
            Route("/live/{key:path}", pages.live),
            Route("/picture", pages.picture),
            Route("/scene", pages.scene),
            Route("/compare", pages.compare),
            Route("/evaluation/{key:path}", pages.evaluation),
            Route("/verdict", pages.verdict, methods=["POST"]),
            Route("/corrections.jsonl", pages.export),
            Route("/progress", pages.progress),
            Route("/assets/{name}", pages.asset),
        ],
        exception_handlers={HTTPException: pages.refused, SpatialclawError: pages.failed},
    )


class _Pages:
    def __init__(
        self, index: Index, corrections: Corrections, stopping: Callable[[], bool]
    ) -> None:
        self.index = index
        self.stopping = stopping
        self.corrections = corrections
        self.jinja = environment(_PACKAGE)

    def html(self, request: Request, name: str, status: int = 200, **context: Any) -> Response:
        """A page."""
        shared = {
            "root": one_line(self.index.root.name, 80),
            "form_token": request.scope.get("form_token", ""),
            "quote": quote,
        }
        page = self.jinja.get_template(name).render(**shared, **context)
        return HTMLResponse(page.encode("utf-8", "replace"), status)

    async def refused(self, request: Request, error: Exception) -> Response:
        """A page for what is not there."""
        assert isinstance(error, HTTPException)
        return self.html(request, "error.html.j2", error.status_code, message=error.detail)

    async def failed(self, request: Request, error: Exception) -> Response:
        """A page for what cannot be read."""
        return self.html(request, "error.html.j2", 422, message=one_line(str(error), 600))

    async def asset(self, request: Request) -> Response:
        """A script or a style sheet of ours."""
        name = request.path_params["name"]
        if name == "page.css":
            return Response(str(styles()), media_type="text/css", headers=_KEEP)
        if name not in _ASSETS:
            raise HTTPException(404, "There is no such file.")
        kind = _TYPES[name.rpartition(".")[2]]
        return Response(asset(name, _ASSETS[name]), media_type=kind, headers=_KEEP)

    async def runs(self, request: Request) -> Response:
        """The list of runs and evaluations."""
        await asyncio.to_thread(self.index.refresh)
        verdicts = self.corrections.latest()
        found = listing(self.index.rows(), dict(request.query_params), verdicts)
        return self.html(
            request,
            "list.html.j2",
            found=found,
            filters=FILTERS,
            verdicts=verdicts,
            evaluations=list(self.index.evaluations.values()),
            read=self.index.read,
            total=self.index.total,
            first=(found.page - 1) * PAGE + 1,
        )

    async def progress(self, request: Request) -> Response:
        """How many runs have been read."""
        return JSONResponse({"read": self.index.read, "total": self.index.total})

    async def run(self, request: Request) -> Response:
        """A run, step by step."""
        await asyncio.to_thread(self.index.refresh)
        row = await self._row(request.path_params["key"])
        shown = await asyncio.to_thread(self._told, row)
        return self.html(
            request,
            "run.html.j2",
            row=row,
            verdict=self.corrections.latest().get(row.key),
            **(self._neighbours(row) | shown),
        )

    def _told(self, row: Row) -> dict[str, Any]:
        run = _run_of(row)
        story = tell(run)
        last = 0
        for event in run.events():
            number = event.get("seq")
            last = number if isinstance(number, int) else last
        return {
            "story": story,
            "last": last,
            "question": as_text(run.question),
            "choices": facts.choices_of(run),
            "answer": facts.answer_of(story, run),
            "figures": facts.figures_of(story, run),
            "media": facts.media_of(run),
            "settings": facts.settings_of(run),
            "evidence": facts.evidence_of(story),
            "failures": sum(entry.failed for entry in story.entries),
            **self._sources(row, run),
        }

    def _sources(self, row: Row, run: Run) -> dict[str, Any]:
        def picture_of(name: str) -> Markup | str:
            if picture_file(run, name) is None:
                return ""
            return Markup('src="{}"').format(
                f"/picture?{urlencode({'run': row.key, 'name': name})}"
            )

        def scene_of(name: str) -> Markup:
            base = f"/scene?{urlencode({'run': row.key, 'name': 'scenes/'})}"
            source = f"/scene?{urlencode({'run': row.key, 'name': name})}"
            return Markup('data-src="{}" data-base="{}"').format(source, base)

        return {"picture_of": picture_of, "scene_of": scene_of}

    def _neighbours(self, row: Row) -> dict[str, Row | None]:
        rows = self.index.rows()
        if row.evaluation:
            rows = [r for r in rows if r.evaluation == row.evaluation]
        place = next((i for i, r in enumerate(rows) if r.key == row.key), None)
        if place is None:
            return {"newer": None, "older": None, "next_failure": None}
        return {
            "newer": rows[place - 1] if place else None,
            "older": rows[place + 1] if place + 1 < len(rows) else None,
            "next_failure": next((r for r in rows[place + 1 :] if r.failed), None),
        }

    async def live(self, request: Request) -> Response:
        """Events of a run that goes on."""
        row = await self._row(request.path_params["key"])
        run = _run_of(row)
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        seen = int(after) if after.isascii() and after.isdigit() and len(after) < 12 else -1
        macros = self.jinja.get_template("macros.html.j2").make_module(self._sources(row, run))

        def entry(_story: Story, made: Entry) -> str:
            return str(macros.entry(made))

        def end(story: Story) -> str:
            fresh = Run(row.path)
            card = macros.answer_card(facts.answer_of(story, fresh))
            figures = macros.figures_list(facts.figures_of(story, fresh))
            return f"{card}{figures}"

        async def gone() -> bool:
            return self.stopping() or await request.is_disconnected()

        stream = follow(row.path / "events.jsonl", seen, entry=entry, end=end, gone=gone)
        return StreamingResponse(stream, media_type="text/event-stream")

    async def picture(self, request: Request) -> Response:
        """A picture of a run."""
        row = await self._row(request.query_params.get("run", ""))
        name = request.query_params.get("name", "")
        found = await asyncio.to_thread(read_picture, _run_of(row), name)
        if found is None:
            raise HTTPException(404, "There is no such picture.")
        data, kind = found
        return Response(data, media_type=kind, headers=_KEEP)

    async def scene(self, request: Request) -> Response:
        """A scene in 3D, or the points of one."""
        row = await self._row(request.query_params.get("run", ""))
        name, run = request.query_params.get("name", ""), _run_of(row)
        found = await asyncio.to_thread(lambda: read_cloud(run, name) or read_scene(run, name))
        if found is None:
            raise HTTPException(404, "There is no such scene.")
        return JSONResponse(found, headers=_KEEP)

    async def compare(self, request: Request) -> Response:
        """Two runs, or two evaluations, side by side."""
        names = request.query_params.getlist("which")[:4]
        if len(names) != 2 or names[0] == names[1]:
            raise HTTPException(400, "Choose two different runs, or two evaluations, to compare.")
        await asyncio.to_thread(self.index.refresh)
        if all(name in self.index.evaluations for name in names):
            return await self._compare_evaluations(request, names)
        sides = []
        for name in names:
            row = await self._row(name)
            sides.append({"row": row, **await asyncio.to_thread(self._told, row)})
        macros = [
            self.jinja.get_template("macros.html.j2").make_module(
                {key: side[key] for key in ("picture_of", "scene_of")}
            )
            for side in sides
        ]
        return self.html(
            request, "compare.html.j2", sides=sides, macros=macros, figures=_figures(sides)
        )

    async def _compare_evaluations(self, request: Request, names: list[str]) -> Response:
        from spatialclaw.evaluation.compare import compare, comparison_tables

        folders = [self.index.evaluations[name].path for name in names]
        comparison = await asyncio.to_thread(compare, folders)
        flipped = []
        for benchmark in comparison["benchmarks"].values():
            for against in benchmark["against"].values():
                flipped += against["flipped"][:200]
        return self.html(
            request,
            "compare_evaluations.html.j2",
            names=names,
            tables=comparison_tables(comparison),
            flipped=flipped,
            prefixes=[self._prefix(self.index.evaluations[name]) for name in names],
        )

    async def evaluation(self, request: Request) -> Response:
        """An evaluation: figures, confusions, failures."""
        await asyncio.to_thread(self.index.refresh)
        found = self.index.evaluations.get(request.path_params["key"])
        if found is None:
            raise HTTPException(404, "There is no such evaluation in this folder.")
        return self.html(
            request,
            "evaluation.html.j2",
            evaluation=found,
            summary=await asyncio.to_thread(found.summary),
            confusions=found.confusions(),
            failures=_failures(found),
            prefix=self._prefix(found),
            others=[k for k in self.index.evaluations if k != found.key],
        )

    def _prefix(self, evaluation: Evaluation) -> str:
        """What stands before a run of the evaluation in its key."""
        return "" if evaluation.path == self.index.root else f"{evaluation.key}/"

    async def verdict(self, request: Request) -> Response:
        """Keeps that an answer was accepted or corrected."""
        form = await _form(request)
        if form.get("form_token") != request.scope.get("form_token"):
            raise HTTPException(403, "This form is of another viewer: open the page again.")
        row = await self._row(form.get("run", ""))
        said = form.get("verdict", "")
        value = form.get("value", "").strip()
        verdicts: dict[str, Verdict] = {
            "accept": "accepted",
            "correct": "corrected",
            "withdraw": "withdrawn",
        }
        if said not in verdicts or (said == "correct" and not value):
            raise HTTPException(400, "Say what the right answer is.")
        about = {
            "question": row.question,
            "answer": row.answer,
            "value": value[:2000] if said == "correct" else None,
            "note": form.get("note", "").strip()[:4000],
            "benchmark": row.benchmark,
        }
        await asyncio.to_thread(self.corrections.add, row.key, verdicts[said], about)
        return RedirectResponse(f"/run/{quote(row.key)}#verdict", 303)

    async def export(self, request: Request) -> Response:
        """The verdicts that count, one line each."""
        return Response(
            await asyncio.to_thread(self.corrections.export),
            media_type="application/jsonl",
            headers={"Content-Disposition": 'attachment; filename="corrections.jsonl"'},
        )

    async def _row(self, key: str) -> Row:
        row = await asyncio.to_thread(self.index.row, key)
        if row is None:
            raise HTTPException(404, "There is no such run in this folder.")
        return row


_KEEP = {"Cache-Control": "private, max-age=3600"}


def _run_of(row: Row) -> Run:
    if row.status == "unreadable":
        raise HTTPException(422, f"This run cannot be read: {row.problem}")
    return Run(row.path)


async def _form(request: Request) -> dict[str, str]:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_FORM:
            raise HTTPException(413, "That is too long.")
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True)
    return {name: values[0] for name, values in fields.items()}


def _figures(sides: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """Name and the value of each side, for every figure that one of them has."""
    tables = [dict(side["figures"]) for side in sides]
    names = dict.fromkeys(name for table in tables for name in table)
    return [(name, [table.get(name, "") for table in tables]) for name in names]


def _failures(evaluation: Evaluation) -> list[Any]:
    wrong = [r for r in evaluation.results if r.outcome != "answered" or (r.score or 0.0) < 1.0]
    return wrong[:1000]
