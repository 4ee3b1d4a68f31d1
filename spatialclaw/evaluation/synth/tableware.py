"""Small things for a tabletop, each standing on its own origin; metres."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from spatialclaw.evaluation.synth.furniture import Maker, painting, wood
from spatialclaw.evaluation.synth.mesh import (
    RGB,
    Material,
    Part,
    box,
    cylinder,
    lathe,
    moved,
    panel,
    rod,
    rounded_box,
    sphere,
)

__all__ = ["CHESSBOARD_SQUARE", "COLOURS", "TABLEWARE", "board", "marker"]

COLOURS: dict[str, RGB] = {
    "red": (0.75, 0.12, 0.10),
    "blue": (0.12, 0.25, 0.65),
    "green": (0.13, 0.48, 0.20),
    "yellow": (0.93, 0.76, 0.12),
    "white": (0.92, 0.92, 0.90),
    "orange": (0.92, 0.45, 0.08),
}
CHESSBOARD_SQUARE = 0.025


def _glazed(rng: np.random.Generator) -> Material:
    names = list(COLOURS)
    return Material(COLOURS[names[int(rng.integers(len(names)))]], gloss=0.35)


def mug(rng: np.random.Generator) -> list[Part]:
    """A mug with a handle."""
    look, r, h = _glazed(rng), float(rng.uniform(0.038, 0.045)), float(rng.uniform(0.085, 0.105))
    parts = [
        lathe(
            [(0, 0), (r, 0), (r, h), (r - 0.004, h), (r - 0.004, 0.006), (0, 0.006)],
            look,
            smooth=False,
        )
    ]
    angles = np.linspace(-np.pi / 2, np.pi / 2, 9)
    ring = [(r + 0.026 * np.cos(a), 0.0, h / 2 + 0.03 * np.sin(a)) for a in angles]
    parts += [rod(a, b, 0.005, look) for a, b in pairwise(ring)]
    return parts


def bottle(rng: np.random.Generator) -> list[Part]:
    """A bottle with a label and a cap."""
    h, r = float(rng.uniform(0.24, 0.3)), float(rng.uniform(0.033, 0.04))
    glass = Material(COLOURS["green"] if rng.random() < 0.5 else (0.35, 0.2, 0.1), gloss=0.6)
    label = Material((0.93, 0.9, 0.8), (0.6, 0.2, 0.15), "stripes", 0.02)
    profile = [
        (0, 0),
        (r, 0.004),
        (r, 0.58 * h),
        (0.85 * r, 0.66 * h),
        (0.4 * r, 0.78 * h),
        (0.36 * r, h),
    ]
    return [
        lathe([(a * 1.0, b) for a, b in profile], glass),
        lathe([(r + 0.0006, 0.15 * h), (r + 0.0006, 0.45 * h)], label),
        cylinder(0.4 * r, 0.02, (0, 0, h - 0.015), Material((0.8, 0.7, 0.2), gloss=0.4), 20),
    ]


def book(rng: np.random.Generator) -> list[Part]:
    """A lying book."""
    w, d, h = rng.uniform(0.13, 0.18), rng.uniform(0.19, 0.25), rng.uniform(0.02, 0.04)
    cover, paper = _glazed(rng), Material((0.95, 0.93, 0.86), (0.85, 0.83, 0.77), "stripes", 0.002)
    print_ = Material((0, 0, 0), pattern="picture", picture=painting(rng, 96, 144))
    return [
        box((w - 0.01, d - 0.01, h - 0.006), (0.004, 0, h / 2), paper),
        box((w, d, 0.003), (0, 0, 0.0015), cover),
        box((w, d, 0.003), (0, 0, h - 0.0015), cover),
        box((0.004, d, h), (-w / 2 + 0.002, 0, h / 2), cover),
        panel(w * 0.7, d * 0.6, (0, 0.02, h + 0.0004), print_, "z"),
    ]


def carton(rng: np.random.Generator) -> list[Part]:
    """A carton, as tea comes in."""
    w, d, h = rng.uniform(0.1, 0.15), rng.uniform(0.07, 0.1), rng.uniform(0.1, 0.16)
    first, second = rng.permutation(np.array(list(COLOURS.values())))[:2]
    look = Material(tuple(first), tuple(second), "checker", 0.035, gloss=0.1)
    return [box((w, d, h), (0, 0, h / 2), look)]


def ball(rng: np.random.Generator) -> list[Part]:
    """A small ball."""
    r = float(rng.uniform(0.03, 0.04))
    look = Material(COLOURS["orange"], (0.75, 0.32, 0.05), "speckle", 0.008, gloss=0.1)
    return [sphere(r, (0, 0, r), look)]


def bowl(rng: np.random.Generator) -> list[Part]:
    """A bowl."""
    r, h = float(rng.uniform(0.075, 0.095)), float(rng.uniform(0.055, 0.07))
    t = np.linspace(0, 1, 9)
    outer = [(0.0, 0.0), (0.4 * r, 0.0)]
    outer += [
        (float(0.4 * r + 0.6 * r * np.sin(a * np.pi / 2)), float(h * (0.05 + 0.95 * a**1.6)))
        for a in t[1:]
    ]
    inner = [(a - 0.004, b + 0.002) for a, b in reversed(outer[2:])] + [(0.0, 0.008)]
    return [lathe(outer + inner, _glazed(rng))]


def can(rng: np.random.Generator) -> list[Part]:
    """A drink can."""
    r, h = 0.033, float(rng.uniform(0.115, 0.15))
    metal = Material((0.75, 0.76, 0.78), gloss=0.7)
    first, second = rng.permutation(np.array(list(COLOURS.values())))[:2]
    paint = Material(tuple(first), tuple(second), "stripes", 0.02, gloss=0.4)
    return [
        lathe([(0, 0), (r * 0.8, 0), (r, 0.01)], metal),
        lathe([(r, 0.01), (r, h - 0.012)], paint),
        lathe(
            [(r, h - 0.012), (r * 0.84, h), (r * 0.78, h - 0.004), (0, h - 0.004)],
            metal,
            smooth=False,
        ),
    ]


def laptop(rng: np.random.Generator) -> list[Part]:
    """An open laptop."""
    w, d = float(rng.uniform(0.31, 0.35)), float(rng.uniform(0.21, 0.24))
    shell, keys = (
        Material((0.55, 0.56, 0.58), gloss=0.3),
        Material((0.1, 0.1, 0.11), (0.2, 0.2, 0.21), "tiles", 0.018),
    )
    image = Material((0, 0, 0), pattern="picture", picture=painting(rng), glow=0.35)
    lean = np.deg2rad(rng.uniform(12, 22))
    turn = np.array([[1, 0, 0], [0, np.cos(lean), -np.sin(lean)], [0, np.sin(lean), np.cos(lean)]])
    hinge = (0, -d / 2 + 0.004, 0.014)
    lid = [
        box((w, 0.007, d), (0, 0, d / 2), shell),
        panel(w - 0.02, d - 0.025, (0, 0.0042, d / 2), image),
    ]
    return [
        rounded_box((w, d, 0.016), (0, 0, 0.008), shell, 0.006),
        box((w - 0.04, d * 0.5, 0.001), (0, -d * 0.16, 0.0165), keys),
        *(moved(part, hinge, turn=turn) for part in lid),
    ]


def vase(rng: np.random.Generator) -> list[Part]:
    """A vase."""
    h, r = float(rng.uniform(0.2, 0.26)), float(rng.uniform(0.05, 0.06))
    t = np.linspace(0, 1, 14)
    side = [
        (float(r * (0.6 + 0.45 * np.sin(np.pi * (a * 1.15 + 0.05)) - 0.12 * a)), float(h * a))
        for a in t
    ]
    look = Material(COLOURS["blue"], (0.85, 0.88, 0.92), "stripes", 0.021, gloss=0.4)
    inner = [(a - 0.005, b) for a, b in reversed(side[5:])] + [(0.0, 0.3 * h)]
    return [lathe([(0.0, 0.0), *side, *inner], look)]


def apple(rng: np.random.Generator) -> list[Part]:
    """An apple with its stalk."""
    r = float(rng.uniform(0.036, 0.042))
    a = np.linspace(-np.pi / 2, np.pi / 2, 22)
    profile = [
        (
            float(r * np.cos(t) * (1 + 0.12 * np.sin(t))),
            float(r * (1 + 0.9 * np.sin(t) - 0.18 * np.sin(t) ** 8)),
        )
        for t in a
    ]
    skin = Material((0.72, 0.10, 0.08), (0.82, 0.55, 0.15), "speckle", 0.03, gloss=0.25)
    return [
        lathe(profile, skin),
        rod((0, 0, 1.7 * r), (0.004, 0, 2.15 * r), 0.0022, Material((0.3, 0.2, 0.1))),
    ]


def marker(number: int) -> list[Part]:
    """A lying card with an ArUco marker of DICT_4X4_50, 8 cm wide."""
    import cv2

    dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_4X4_50)
    cells = cv2.aruco.generateImageMarker(dictionary, number, 6, borderBits=1)
    sheet = np.full((8, 8), 235, np.uint8)
    sheet[1:7, 1:7] = np.maximum(cells, 15)
    look = Material((0, 0, 0), pattern="picture", picture=np.repeat(sheet[..., None], 3, axis=2))
    side = 0.08 * 8 / 6
    return [
        box((side, side, 0.001), (0, 0, 0.0005), Material((0.92, 0.92, 0.92))),
        panel(side, side, (0, 0, 0.0012), look, "z"),
    ]


def board(columns: int = 8, rows: int = 6) -> list[Part]:
    """A lying chessboard of so many squares on a white card."""
    sheet = np.full((rows + 2, columns + 2), 235, np.uint8)
    y, x = np.mgrid[:rows, :columns]
    sheet[1:-1, 1:-1] = np.where((x + y) % 2, 235, 18)
    look = Material((0, 0, 0), pattern="picture", picture=np.repeat(sheet[..., None], 3, axis=2))
    w, d = (columns + 2) * CHESSBOARD_SQUARE, (rows + 2) * CHESSBOARD_SQUARE
    return [
        box((w, d, 0.002), (0, 0, 0.001), Material((0.92, 0.92, 0.92))),
        panel(w, d, (0, 0, 0.0022), look, "z"),
    ]


def tray(rng: np.random.Generator) -> list[Part]:
    """A wooden tray."""
    look = wood(rng, 3)
    return [rounded_box((0.3, 0.2, 0.02), (0, 0, 0.01), look, 0.008)]


TABLEWARE: dict[str, Maker] = {
    "mug": mug,
    "bottle": bottle,
    "book": book,
    "box": carton,
    "ball": ball,
    "bowl": bowl,
    "can": can,
    "laptop": laptop,
    "vase": vase,
    "apple": apple,
    "tray": tray,
}
