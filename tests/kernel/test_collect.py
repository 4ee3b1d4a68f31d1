"""What a kernel sends is data to be checked, not facts."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image

from spatialclaw.kernel import collect as module
from spatialclaw.kernel.collect import (
    CELL_TYPE,
    SHOWN_TYPE,
    SUBMIT_TYPE,
    BadPicture,
    Collector,
    check_picture,
)


def encoded(kind: str = "PNG", size: tuple[int, int] = (8, 6)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (200, 30, 40)).save(buffer, kind)
    return buffer.getvalue()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def png_bomb(width: int, height: int) -> bytes:
    """A PNG of a few kB whose header claims the size."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes(width * 3 + 1) * 2)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("kind", "media_type"), [("PNG", "image/png"), ("JPEG", "image/jpeg")])
def test_pictures_that_are_pictures(kind: str, media_type: str) -> None:
    assert check_picture(encoded(kind), media_type) == (8, 6)


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"", "image/png"),
        (b"not a picture at all", "image/png"),
        (encoded("JPEG"), "image/png"),
        (encoded("PNG"), "image/jpeg"),
        (encoded("PNG"), "image/svg+xml"),
        (encoded("PNG")[:40], "image/png"),
        (encoded("JPEG", (640, 480))[:-1200], "image/jpeg"),
        (png_bomb(60_000, 60_000), "image/png"),
        (png_bomb(8_000, 8_000), "image/png"),
        (png_bomb(20_000, 10), "image/png"),
        (encoded("PNG") + bytes(13_000_000), "image/png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/png"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image/png"),
    ],
)
def test_what_is_no_picture_or_too_large(data: bytes, media_type: str) -> None:
    with pytest.raises(BadPicture):
        check_picture(data, media_type)


def test_a_bad_picture_is_dropped_and_said() -> None:
    collector = Collector()
    collector.add("display_data", {"data": {"image/png": b64(b"nonsense" * 9)}})
    collector.add("display_data", {"data": {"image/png": "%%%"}})
    collector.add("display_data", {"data": {"image/png": 5}})
    collector.add("display_data", {"data": {"image/png": b64(encoded())}})
    result = collector.finish("ok", seconds=0.1)
    assert len(result.images) == 1
    assert result.stderr.count("a picture was dropped") == 3


def test_a_path_in_place_of_a_picture_is_not_opened() -> None:
    collector = Collector()
    for path in ("/etc/passwd", "file:///etc/passwd", "http://localhost/x.png"):
        collector.add("display_data", {"data": {SHOWN_TYPE: {"path": path}, "image/png": path}})
    result = collector.finish("ok", seconds=0.1)
    assert result.images == []


def test_size_and_source_are_checked_not_believed() -> None:
    collector = Collector()
    meta: dict[str, Any] = {
        "width": 99999,
        "title": "t" * 9999,
        "source": {"kind": "frame", "frame": 3, "scale": 0.5, "offset": [1, 2], "path": "/etc"},
    }
    collector.add("display_data", {"data": {SHOWN_TYPE: meta, "image/png": b64(encoded())}})
    bad = {"kind": "host", "frame": "3", "scale": float("inf"), "offset": ["a", 1]}
    collector.add(
        "display_data", {"data": {SHOWN_TYPE: {"source": bad}, "image/png": b64(encoded())}}
    )
    first, second = collector.finish("ok", seconds=0.1).images
    assert (first.width, first.height, len(first.title)) == (8, 6, 500)
    assert first.source == {"kind": "frame", "frame": 3, "scale": 0.5, "offset": [1.0, 2.0]}
    assert second.source == {}


@pytest.mark.parametrize(
    ("msg_type", "content"),
    [
        ("stream", {}),
        ("stream", {"name": None, "text": None}),
        ("display_data", {}),
        ("display_data", {"data": "text"}),
        ("display_data", {"data": {CELL_TYPE: "text"}}),
        ("display_data", {"data": {SUBMIT_TYPE: [1]}}),
        ("execute_result", {"data": None}),
        ("error", {"ename": 5, "evalue": None, "traceback": 7}),
        ("no such type", {"x": 1}),
    ],
)
def test_malformed_messages_are_survived(msg_type: str, content: dict[str, Any]) -> None:
    collector = Collector()
    collector.add(msg_type, content)
    collector.add("stream", {"name": "stdout", "text": "fine"})
    assert "fine" in collector.finish("ok", seconds=0.1).stdout


@pytest.mark.parametrize(
    "report",
    [
        {"seconds": float("nan"), "dropped": -5, "variables": "x", "error": 3, "repaired": 1},
        {"seconds": "1", "dropped": 1e300, "variables": [1, {"name": 2}, {}], "error": []},
        {"seconds": True, "variables": [{"name": "v", "change": "hacked", "type": 3}]},
    ],
)
def test_a_forged_report_is_taken_for_what_it_is(report: dict[str, Any]) -> None:
    collector = Collector()
    collector.add("display_data", {"data": {CELL_TYPE: report}})
    result = collector.finish("error", seconds=0.25)
    assert result.seconds == 0.25
    assert result.truncated_bytes == 0
    assert all(v.change == "new" for v in result.variables)
    assert result.error is not None


def test_a_submission_is_plain_json() -> None:
    collector = Collector()
    content = {
        "value": {"a": [1, float("inf"), 10**400, {"deep": [[[[[1]]]]]}], "b": "x" * 99_999},
        "unit": 5,
        "confidence": 7,
        "evidence": "no list",
    }
    collector.add("display_data", {"data": {SUBMIT_TYPE: content}})
    submission = collector.finish("ok", seconds=0.1).submission
    assert submission is not None
    assert submission.unit is None
    assert submission.confidence is None
    assert submission.evidence == []
    assert len(submission.value["b"]) == 20_000
    assert submission.value["a"][1] is None


def test_head_and_tail_are_kept_whatever_the_pieces() -> None:
    for size in (1, 7, 1000, 100_000):
        collector = Collector(max_output=1000)
        text = "".join(f"{i:09d}\n" for i in range(20_000))
        for start in range(0, len(text), size):
            collector.add("stream", {"name": "stdout", "text": text[start : start + size]})
        result = collector.finish("ok", seconds=0.1)
        assert result.stdout.startswith(text[:500])
        assert result.stdout.endswith(text[-500:])
        assert result.truncated_bytes == len(text) - 1000
        assert len(result.stdout) < 1100


def test_pictures_of_a_cell_are_limited_together(monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded()
    monkeypatch.setattr(module, "MAX_CELL_BYTES", 3 * len(data))
    collector = Collector()
    for _ in range(5):
        collector.add("display_data", {"data": {"image/png": b64(data)}, "metadata": {}})
    result = collector.finish("ok", seconds=0.1)
    assert len(result.images) == 3
    assert "2 more pictures were dropped" in result.stderr
