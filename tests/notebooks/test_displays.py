"""How results show themselves in a notebook."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spatialclaw as sc
from spatialclaw.agent.types import Answer
from spatialclaw.media import load
from spatialclaw.notebook.live import LiveView
from spatialclaw.primitives import namespace, rich
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.measure import Measurement

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def read(html: str | None) -> Tags:
    assert html is not None
    tags = Tags()
    tags.feed(html)
    for name, value in tags.attributes:
        assert not name.startswith("on"), name
        if name in ("src", "href"):
            assert str(value).startswith("data:image/"), value
    return tags


@pytest.fixture(scope="module")
def cell(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    media = load([examples / "room"], workdir=tmp_path_factory.mktemp("media"))
    return namespace.build(media.sequences)


def test_frames_masks_depth_and_tracks_show_a_picture_and_their_text(cell: dict[str, Any]) -> None:
    frames = cell["frames"]
    for thing in (
        frames[0],
        cell["segment"](frames[0], "chair"),
        cell["segment"](frames[0], "chair")[0],
        cell["depth"](frames[0]),
    ):
        found = read(thing._repr_html_())
        assert found.tags.count("img") == 1
        assert repr(thing).splitlines()[0] in found.text
        assert len(thing._repr_html_()) < 200_000


def test_a_long_sequence_shows_some_of_its_frames(cell: dict[str, Any]) -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    frames = Frames.from_arrays([image] * 100)
    found = read(frames._repr_html_())
    assert found.tags.count("img") == 12
    assert "100 frames" in found.text
    assert read(Frames([])._repr_html_()).tags.count("img") == 0


def test_a_scene_stands_alone_and_is_small(cell: dict[str, Any]) -> None:
    html = cell["geometry"].scene(cell["frames"])._repr_html_()
    assert "<canvas" in html
    assert "http" not in html
    assert "@" not in html.split("<script>")[1]
    assert len(html) < 150_000


def test_a_measurement_shows_its_error_and_what_it_rests_on() -> None:
    found = read(Measurement(1.5, "m", 0.02, (HOSTILE,), method=HOSTILE)._repr_html_())
    assert "1.500 ± 0.020 m" in found.text
    assert HOSTILE in found.text
    assert {"script", "img"}.isdisjoint(found.tags)


def test_an_answer_is_shown_and_its_text_is_only_text() -> None:
    answer = Answer(1.0, HOSTILE, evidence=[HOSTILE, {"a": HOSTILE}], confidence=0.5, model=HOSTILE)
    found = read(answer._repr_html_())
    assert HOSTILE in found.text
    assert {"script", "img"}.isdisjoint(found.tags)
    failed = Answer(None, "", status="failed", reason="no idea")
    assert "no answer: no idea" in read(failed._repr_html_()).text
    assert len(Answer("x", "x" * 5_000_000)._repr_html_()) < 10_000


def test_nothing_is_rich_where_the_agent_works(cell: dict[str, Any]) -> None:
    rich.switch(False)
    try:
        assert cell["frames"][0]._repr_html_() is None
    finally:
        rich.switch(True)


def test_the_live_view_completes_a_cell_and_shows_hostile_output_as_text() -> None:
    shown: list[dict[str, Any]] = []

    def display(bundle: dict[str, Any]) -> Any:
        place = len(shown)
        shown.append(bundle)
        return lambda new: shown.__setitem__(place, new)

    view = LiveView(display)
    view({"kind": "plan", "text": HOSTILE})
    view({"kind": "reply", "purpose": "step", "text": f"Look.\n```python\nx = {HOSTILE!r}\n```"})
    assert "running" in shown[-2]["text/plain"] or "running" in shown[-1]["text/plain"]
    count = len(shown)
    result = {"stdout": HOSTILE + "\x1b[31m", "seconds": 1, "error": {"name": "E", "message": "m"}}
    code = f"x = {HOSTILE!r}"
    view({"kind": "cell", "number": 1, "step": 1, "code": code, "result": result})
    assert len(shown) == count  # the display of the running cell was completed, none was added
    done = next(s for s in shown if "cell 1" in s["text/plain"])
    assert {"script", "img"}.isdisjoint(read(done["text/html"]).tags)
    assert "E: m" in done["text/plain"]
    assert "\x1b" not in done["text/plain"]
    assert "<script>" not in shown[0]["text/markdown"]
    view({"kind": "answer", "text": "1 m"})
    assert any("answered after" in s["text/plain"] for s in shown)


def test_the_package_is_an_extension_of_ipython() -> None:
    assert callable(sc.load_ipython_extension)
    assert callable(sc.unload_ipython_extension)
