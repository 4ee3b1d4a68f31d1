"""What a cell finds, and what it is told about the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from spatialclaw.kernel import DecodeParams, Gateway, Kernel, KernelOptions, WithFiles, frames_reply
from spatialclaw.primitives import namespace


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a process that has not looked for primitives yet."""
    monkeypatch.setattr(namespace, "_found", {})
    monkeypatch.setattr(namespace, "_missing", {})


def test_everything_a_cell_needs_is_there(fresh: None, manifest: Path) -> None:
    names = namespace.build(manifest, "How far?", {"A": "near"})
    wanted = "frames videos question choices np scipy cv2 o3d plt"
    wanted += " show submit locate look geometry measure draw depth segment match"
    assert set(wanted.split()) - set(names) == set()
    assert names["choices"] == {"A": "near"}
    assert len(names["frames"]) == 2
    assert names["videos"][0] is names["frames"]
    assert namespace.missing().keys() | names.keys() >= namespace.VOCABULARY.keys()


def test_without_media_there_are_no_frames(fresh: None) -> None:
    names = namespace.build()
    assert len(names["frames"]) == 0
    assert names["videos"] == []
    assert names["question"] == ""
    assert names["choices"] is None


def test_a_missing_primitive_is_listed_with_its_reason(
    fresh: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {
        "gone": ("no_such_module:gone",),
        "odd": ("show:no_such_name",),
        "show": ("no_such_module:show", "show:show"),
    }
    monkeypatch.setattr(namespace, "VOCABULARY", table)
    found = namespace.vocabulary()
    assert "show" in found
    assert set(namespace.missing()) == {"gone", "odd"}
    assert "no such module" in namespace.missing()["gone"]
    assert "no_such_name" in namespace.missing()["odd"]


def test_a_lazy_module_is_the_module_once_it_is_used() -> None:
    lazy: Any = namespace.LazyModule("colorsys")
    assert repr(lazy) == "<module 'colorsys'>"
    assert lazy.rgb_to_hsv(1, 0, 0) == (0.0, 1.0, 1.0)
    with pytest.raises(AttributeError):
        lazy.nothing  # noqa: B018


@pytest.mark.kernel
async def test_more_frames_of_a_video(manifest: Path) -> None:
    asked: list[DecodeParams] = []

    def decode(params: DecodeParams) -> WithFiles:
        asked.append(params)
        reply: WithFiles = frames_reply(manifest)
        return reply

    gateway = Gateway()
    gateway.register("media.decode", DecodeParams, decode, quota=1)
    options = KernelOptions(manifest=manifest, gateway=gateway)
    async with await Kernel.start(options) as kernel:
        result = await kernel.execute(
            "more = videos[0].read([0.1, 0.2], max_size=64); len(more), more[1].image.mean()"
        )
        assert result.result == "(2, np.float64(200.0))"
        assert asked == [DecodeParams(video=0, times=[0.1, 0.2], max_size=64)]
        result = await kernel.execute("videos[0].read(fps=5)")
        assert result.error is not None
        assert result.error.name == "TooMuch"
        result = await kernel.execute("videos[0].read()")
        assert result.error is not None


@pytest.mark.kernel
async def test_every_name_has_help_for_the_model(kernel: Kernel) -> None:
    result = await kernel.execute(
        "[n for n in ('show', 'submit', 'locate', 'look', 'depth', 'geometry', 'measure', 'draw')"
        " if not (globals()[n].__doc__ or '').strip()]"
    )
    assert result.result == "[]"


@pytest.mark.kernel
async def test_a_cell_that_overwrites_a_primitive_says_so(kernel: Kernel) -> None:
    result = await kernel.execute("show = 3")
    assert [(v.name, v.change) for v in result.variables] == [("show", "changed")]
