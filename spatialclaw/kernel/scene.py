"""A scene in 3D as a kernel describes it: checked, since nothing that a kernel says is trusted."""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
import struct
from typing import Any

__all__ = ["SCENE_TYPE", "BadScene", "check_cloud", "check_scene", "cloud_id"]

SCENE_TYPE = "application/vnd.spatialclaw.scene+json"
MAX_POINTS = 60_000
_MOST = {"cameras": 400, "boxes": 100, "lines": 100, "marks": 100}
_ID = re.compile(r"[0-9a-f]{20}")
_FARTHEST = 1e7


class BadScene(ValueError):
    """What a kernel called a scene is none, or too large."""


def check_scene(raw: Any) -> dict[str, Any]:
    """A scene with nothing in it but numbers and short labels.

    Args:
        raw: As sent or as recorded.

    Returns:
        {"schema", "ref", "unit", "note", "cloud": id or None, "cameras": [{"pose": 12 numbers, rows
        of the camera-to-world matrix [R | t], "label"}], "boxes": [{"center", "axes": 9 numbers,
        unit vectors in rows, "extent", "label"}], "lines": [{"a", "b", "label"}], "marks": [{"at",
        "label"}]} in metres (or without scale), z up; and "cloud_data" when it was sent along.

    Raises:
        BadScene: It is not of that form.
    """
    if not isinstance(raw, dict):
        raise BadScene("a scene is an object")
    cloud = raw.get("cloud")
    if cloud is not None and not (isinstance(cloud, str) and _ID.fullmatch(cloud)):
        raise BadScene("a cloud is named by 20 hexadecimal digits")
    scene: dict[str, Any] = {
        "schema": 1,
        "ref": _label(raw.get("ref")),
        "unit": "m" if raw.get("unit") == "m" else "",
        "note": _label(raw.get("note"), 200),
        "cloud": cloud,
        "cameras": [
            {"pose": _numbers(c.get("pose"), 12), "label": _label(c.get("label"))}
            for c in _items(raw, "cameras")
        ],
        "boxes": [
            {
                "center": _numbers(b.get("center"), 3),
                "axes": _numbers(b.get("axes"), 9),
                "extent": _numbers(b.get("extent"), 3),
                "label": _label(b.get("label")),
            }
            for b in _items(raw, "boxes")
        ],
        "lines": [
            {
                "a": _numbers(n.get("a"), 3),
                "b": _numbers(n.get("b"), 3),
                "label": _label(n.get("label")),
            }
            for n in _items(raw, "lines")
        ],
        "marks": [
            {"at": _numbers(m.get("at"), 3), "label": _label(m.get("label"))}
            for m in _items(raw, "marks")
        ],
    }
    if raw.get("cloud_data") is not None:
        scene["cloud_data"] = check_cloud(raw["cloud_data"])
        scene["cloud"] = cloud_id(scene["cloud_data"])
    return scene


def check_cloud(raw: Any) -> dict[str, Any]:
    """Points with colours.

    Returns:
        {"low", "high": corners of what they lie in, "xyz": base64 of (N, 3) uint16, little-endian,
        from low (0) to high (65535), "rgb": base64 of (N, 3) uint8}.

    Raises:
        BadScene: It is not of that form, or has too many points.
    """
    if not isinstance(raw, dict):
        raise BadScene("a cloud is an object")
    xyz, rgb = _bytes(raw.get("xyz"), 6), _bytes(raw.get("rgb"), 3)
    if len(xyz) % 6 or len(rgb) * 2 != len(xyz):
        raise BadScene("points and colours are not of one length")
    return {
        "low": _numbers(raw.get("low"), 3),
        "high": _numbers(raw.get("high"), 3),
        "xyz": base64.b64encode(xyz).decode("ascii"),
        "rgb": base64.b64encode(rgb).decode("ascii"),
    }


def cloud_id(cloud: dict[str, Any]) -> str:
    """The name of a checked cloud, by its content."""
    digest = hashlib.sha256()
    digest.update(struct.pack("<6d", *cloud["low"], *cloud["high"]))
    digest.update(cloud["xyz"].encode("ascii"))
    digest.update(cloud["rgb"].encode("ascii"))
    return digest.hexdigest()[:20]


def _items(raw: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = raw.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > _MOST[name]:
        raise BadScene(f"{name} is a list of at most {_MOST[name]}")
    if not all(isinstance(item, dict) for item in value):
        raise BadScene(f"{name} holds objects")
    return value


def _numbers(value: Any, count: int) -> list[float]:
    if not isinstance(value, list) or len(value) != count:
        raise BadScene(f"{count} numbers are expected")
    for number in value:
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise BadScene("a number is expected")
        if not math.isfinite(number) or abs(number) > _FARTHEST:
            raise BadScene("a number is not finite or too large")
    return [round(float(number), 6) for number in value]


def _label(value: Any, limit: int = 80) -> str:
    text = value if isinstance(value, str) else ""
    return "".join(c for c in text if c.isprintable())[:limit]


def _bytes(value: Any, each: int) -> bytes:
    if not isinstance(value, str) or len(value) > MAX_POINTS * each * 4 // 3 + 4:
        raise BadScene(f"a cloud has at most {MAX_POINTS} points in base64")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadScene("points are not in base64") from error
