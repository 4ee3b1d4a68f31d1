"""Writes the page about a run: one file that holds all it shows."""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from spatialclaw.errors import RunError
from spatialclaw.traces.html import facts
from spatialclaw.traces.html.pictures import LEVELS, Album, Level
from spatialclaw.traces.html.render import asset, environment, styles
from spatialclaw.traces.html.story import Story, tell
from spatialclaw.traces.html.text import as_text, one_line
from spatialclaw.traces.read import Run
from spatialclaw.traces.scenes import scene_files

__all__ = ["write_html"]

_TEXTS = (20_000, 4_000, 800, 200)
_SCRIPTS = ("page.js", "scene.js")


@dataclass(frozen=True)
class _Size:
    """How much of a run goes into the page."""

    pictures: Level
    text: int
    scenes: bool = True


def write_html(run: Run, out: Path, *, max_bytes: int = 15_000_000) -> Path:
    """Writes a run as one page that opens anywhere, without a network.

    Pictures are made smaller, then left out, then scenes and long texts, until the page fits; it
    says what was done.

    Args:
        run: The run, whole or half-written.
        out: The file to write.
        max_bytes: Size that the page keeps below.

    Returns:
        `out`.

    Raises:
        RunError: The file cannot be written, or even the shortest page is too large.
    """
    for size in _sizes():
        page = _page(run, size).encode("utf-8", "replace")
        if len(page) < max_bytes:
            _write(out, page)
            return out
    raise RunError(f"{run.path} does not fit into a page of {max_bytes:,} bytes")


def _sizes() -> list[_Size]:
    by_pictures = [_Size(level, _TEXTS[0]) for level in LEVELS]
    last = LEVELS[-1]
    return [*by_pictures, *(_Size(last, text, scenes=False) for text in _TEXTS)]


def _page(run: Run, size: _Size) -> str:
    story = tell(run, limit=size.text)
    album = Album(run, size.pictures)
    names = [name for cell in story.cells for name in cell.scenes]
    scenes = scene_files(run, names if size.scenes else [])
    keys = {
        name: name if name.startswith("cloud-") else f"scene-{number}"
        for number, name in enumerate(scenes)
    }
    script = "\n".join(asset(name) for name in _SCRIPTS)
    sheet = styles()

    placed: dict[str, int] = {}

    def picture_of(name: str) -> Markup | str:
        uri = album.uri(name)
        if not uri:
            return ""
        if name in placed:
            return Markup('data-same="picture-{}"').format(placed[name])
        placed[name] = len(placed)
        return Markup('id="picture-{}" src="{}"').format(placed[name], uri)

    def scene_of(name: str) -> Markup | str:
        return Markup('data-scene="{}"').format(keys[name]) if name in keys else ""

    template = environment().get_template("report.html.j2")
    context: dict[str, Any] = {
        "story": story,
        "question": as_text(run.question, size.text),
        "choices": facts.choices_of(run),
        "name": run.path.resolve().name,
        "version": one_line(run.facts.get("version"), 40) or "of unknown version",
        "answer": facts.answer_of(story, run),
        "figures": facts.figures_of(story, run),
        "media": facts.media_of(run),
        "settings": facts.settings_of(run),
        "evidence": facts.evidence_of(story),
        "picture_of": picture_of,
        "scene_of": scene_of,
        "scenes": [(keys[name], _data(scene)) for name, scene in scenes.items()],
        "styles": sheet,
        "script": Markup(script),  # noqa: S704  # our own files
        "policy": _policy(sheet, script),
    }
    for picture in _all_pictures(story):
        album.uri(picture)
    return str(template.render(**context, notices=_notices(album, size)))


def _all_pictures(story: Story) -> list[str]:
    shown = [p for entry in story.entries for p in entry.pictures]
    return [picture.name for picture in [*story.inputs, *shown]]


def _notices(album: Album, size: _Size) -> list[str]:
    notices = []
    if album.level.edge == 0:
        notices.append(
            "The pictures were left out to keep this page small; they are in the run folder."
        )
    elif album.smaller:
        notices.append(
            f"{album.smaller} pictures were made smaller to keep this page small "
            f"(at most {album.level.edge} pixels); the run folder has them as they were."
        )
    if album.missing:
        notices.append(f"{len(album.missing)} pictures of the record are not in the run folder.")
    if not size.scenes:
        notices.append(
            "The scenes in 3D were left out, and long texts cut, to keep this page small."
        )
    return notices


def _data(scene: Any) -> Markup:
    """JSON for a data block: nothing in it can end the block."""
    text = json.dumps(scene, separators=(",", ":"))
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return Markup(safe)  # noqa: S704


def _policy(sheet: str, script: str) -> str:
    """No network at all; only the one script and the one style sheet of the page."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_hash(sheet)}'",
            f"script-src '{_hash(script)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hash(text: str) -> str:
    digest = hashlib.sha256(str(text).encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def _write(out: Path, page: bytes) -> None:
    temporary = out.with_name(f".{out.name}.{secrets.token_hex(4)}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(page)
            temporary.replace(out)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise RunError(
            f"cannot write {out}: {reason}", hint="Choose another place with --out."
        ) from error
