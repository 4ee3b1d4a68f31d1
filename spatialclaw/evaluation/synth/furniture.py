"""Furniture from measures: each maker gives the parts of one piece, standing on its own origin.

x is the piece's width, y its depth with the front towards +y, z up; metres.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from spatialclaw.evaluation.synth.mesh import (
    RGB,
    Material,
    Part,
    box,
    cylinder,
    lathe,
    leaf,
    moved,
    panel,
    rod,
    rounded_box,
    sphere,
)

__all__ = ["FURNITURE", "Maker", "painting", "wood"]

Picture = npt.NDArray[np.uint8]
Maker = Callable[[np.random.Generator], list[Part]]

_FABRICS: list[RGB] = [
    (0.20, 0.36, 0.52),
    (0.62, 0.28, 0.22),
    (0.30, 0.44, 0.32),
    (0.55, 0.52, 0.50),
    (0.72, 0.56, 0.24),
    (0.42, 0.30, 0.46),
]
_WOODS: list[tuple[RGB, RGB]] = [
    ((0.62, 0.42, 0.25), (0.47, 0.29, 0.16)),
    ((0.80, 0.66, 0.47), (0.68, 0.52, 0.34)),
    ((0.42, 0.27, 0.18), (0.29, 0.18, 0.12)),
    ((0.90, 0.89, 0.86), (0.85, 0.84, 0.80)),
]
_METAL = Material((0.30, 0.31, 0.33), gloss=0.5)


def wood(rng: np.random.Generator, kinds: int = 4) -> Material:
    """One of a few woods (the last of four is painted white)."""
    first, second = _WOODS[int(rng.integers(kinds))]
    return Material(first, second, "wood", 0.25, gloss=0.12)


def _fabric(rng: np.random.Generator) -> Material:
    colour = np.array(_FABRICS[int(rng.integers(len(_FABRICS)))])
    dark = tuple(float(c) for c in colour * 0.8)
    return Material(tuple(float(c) for c in colour), dark, "fabric", 0.012)  # type: ignore[arg-type]


def painting(rng: np.random.Generator, width: int = 192, height: int = 144) -> Picture:
    """(height, width, 3) uint8: a made-up landscape."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    sky, ground = rng.uniform(0.5, 1.0, 3), rng.uniform(0.1, 0.6, 3)
    picture = sky * (1 - 0.5 * y[..., None]) + np.array([0.3, 0.2, 0.0]) * y[..., None] ** 2
    for layer in range(4):
        line = np.full_like(x, 0.45 + 0.13 * layer)
        for wave in range(1, 5):
            amplitude, phase = rng.uniform(0, 0.09 / wave), rng.uniform(0, 6.3)
            line = line + amplitude * np.sin(wave * 3 * x + phase)
        tone = ground * (1.3 - 0.28 * layer) + rng.uniform(-0.06, 0.06, 3)
        picture[y > line] = tone
    sun = (x - rng.uniform(0.2, 0.8)) ** 2 + (0.75 * (y - rng.uniform(0.15, 0.3))) ** 2 < 0.0035
    picture[sun] = (1.0, 0.9, 0.6)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def table(rng: np.random.Generator) -> list[Part]:
    """A dining table with four legs."""
    w, d, h = rng.uniform(1.2, 1.7), rng.uniform(0.75, 0.95), rng.uniform(0.72, 0.77)
    look = wood(rng, 3)
    legs = [
        box(
            (0.06, 0.06, h - 0.04), (sx * (w / 2 - 0.06), sy * (d / 2 - 0.06), (h - 0.04) / 2), look
        )
        for sx in (-1, 1)
        for sy in (-1, 1)
    ]
    apron = [box((w - 0.18, 0.02, 0.08), (0, s * (d / 2 - 0.06), h - 0.08), look) for s in (-1, 1)]
    return [rounded_box((w, d, 0.04), (0, 0, h - 0.02), look, 0.008), *legs, *apron]


def chair(rng: np.random.Generator) -> list[Part]:
    """A chair with four legs, a seat and a back of slats at its rear."""
    look, seat = wood(rng, 3), _fabric(rng)
    w, d, h, top = 0.44, 0.44, 0.45, float(rng.uniform(0.85, 0.95))
    parts = [rounded_box((w, d, 0.05), (0, 0, h), seat, 0.02)]
    for sx in (-1, 1):
        x = sx * (w / 2 - 0.02)
        parts.append(box((0.035, 0.035, h), (x, d / 2 - 0.02, h / 2), look))
        parts.append(box((0.035, 0.035, top), (x, -d / 2 + 0.02, top / 2), look))
    parts.append(box((w, 0.025, 0.12), (0, -d / 2 + 0.02, top - 0.06), look))
    for x in (-0.1, 0.0, 0.1):
        slat = top - 0.12 - h
        parts.append(box((0.04, 0.015, slat), (x, -d / 2 + 0.02, h + slat / 2), look))
    return parts


def _seat(rng: np.random.Generator, width: float, places: int) -> list[Part]:
    cloth = _fabric(rng)
    d, h, arm = 0.88, float(rng.uniform(0.78, 0.88)), 0.18
    inner = width - 2 * arm
    parts = [
        rounded_box((width, d - 0.02, 0.22), (0, -0.01, 0.19), cloth, 0.04),
        rounded_box((width, 0.22, h - 0.1), (0, -d / 2 + 0.11, 0.1 + (h - 0.1) / 2), cloth, 0.07),
    ]
    for side in (-1, 1):
        parts.append(
            rounded_box((arm, d, 0.5), (side * (width / 2 - arm / 2), 0, 0.34), cloth, 0.06)
        )
    for k in range(places):
        x = (k + 0.5) / places * inner - inner / 2
        parts.append(
            rounded_box((inner / places - 0.01, d - 0.26, 0.15), (x, 0.11, 0.37), cloth, 0.05)
        )
        parts.append(
            rounded_box((inner / places - 0.02, 0.16, 0.36), (x, -0.16, 0.58), cloth, 0.06)
        )
    for sx in (-1, 1):
        for sy in (-1, 1):
            foot = (sx * (width / 2 - 0.1), sy * (d / 2 - 0.1), 0.0)
            parts.append(cylinder(0.025, 0.1, foot, _METAL, 12))
    return parts


def sofa(rng: np.random.Generator) -> list[Part]:
    """A sofa for two or three."""
    width = float(rng.uniform(1.75, 2.2))
    return _seat(rng, width, 2 if width < 1.95 else 3)


def armchair(rng: np.random.Generator) -> list[Part]:
    """A sofa for one."""
    return _seat(rng, float(rng.uniform(0.9, 1.0)), 1)


def bed(rng: np.random.Generator) -> list[Part]:
    """A bed with its head at the rear."""
    w, length, look = float(rng.choice([1.0, 1.4, 1.6])), 2.05, wood(rng)
    sheet = Material((0.93, 0.92, 0.89), (0.87, 0.86, 0.84), "fabric", 0.03)
    cover = _fabric(rng)
    parts = [
        box((w, length, 0.22), (0, 0, 0.21), look),
        box((w, 0.06, 0.95), (0, -length / 2 + 0.03, 0.475), look),
        rounded_box((w - 0.04, length - 0.1, 0.22), (0, 0.02, 0.42), sheet, 0.06),
        rounded_box((w, 1.3, 0.07), (0, 0.34, 0.52), cover, 0.03),
    ]
    for k in range(1 if w < 1.2 else 2):
        x = 0.0 if w < 1.2 else (k - 0.5) * w / 2
        parts.append(rounded_box((0.6, 0.4, 0.14), (x, -0.72, 0.59), sheet, 0.07))
    return parts


def wardrobe(rng: np.random.Generator) -> list[Part]:
    """A wardrobe with two doors."""
    w, d, h, look = float(rng.uniform(1.0, 1.5)), 0.6, float(rng.uniform(1.9, 2.15)), wood(rng)
    dark = Material((0.12, 0.1, 0.09))
    parts = [box((w, d - 0.02, h), (0, -0.01, h / 2), look)]
    for side in (-1, 1):
        parts.append(
            box((w / 2 - 0.006, 0.02, h - 0.1), (side * w / 4, d / 2 - 0.01, h / 2 + 0.03), look)
        )
        parts.append(
            rod(
                (side * 0.05, d / 2 + 0.02, h * 0.45),
                (side * 0.05, d / 2 + 0.02, h * 0.58),
                0.01,
                _METAL,
            )
        )
    parts.append(box((w, 0.01, 0.06), (0, d / 2 - 0.015, 0.03), dark))
    return parts


def bookshelf(rng: np.random.Generator) -> list[Part]:
    """Open shelves full of books."""
    w, d, h, look = float(rng.uniform(0.75, 1.1)), 0.3, float(rng.uniform(1.7, 2.0)), wood(rng)
    parts = [
        box((0.025, d, h), (-w / 2 + 0.0125, 0, h / 2), look),
        box((0.025, d, h), (w / 2 - 0.0125, 0, h / 2), look),
        box((w, 0.01, h), (0, -d / 2 + 0.005, h / 2), look),
    ]
    boards = 6
    for k in range(boards):
        z = 0.04 + k * (h - 0.055) / (boards - 1)
        parts.append(box((w, d, 0.025), (0, 0, z), look))
        if k == boards - 1:
            break
        x, end = -w / 2 + 0.03, w / 2 - 0.03 - float(rng.uniform(0, 0.3))
        room = (h - 0.055) / (boards - 1) - 0.04
        while x < end - 0.06:
            thick, tall = float(rng.uniform(0.02, 0.05)), room * float(rng.uniform(0.65, 0.95))
            hue = rng.uniform(0.1, 0.75, 3)
            cover = Material((float(hue[0]), float(hue[1]), float(hue[2])))
            parts.append(
                box((thick - 0.002, 0.2, tall), (x + thick / 2, -0.02, z + 0.013 + tall / 2), cover)
            )
            x += thick
    return parts


def lamp(rng: np.random.Generator) -> list[Part]:
    """A floor lamp with a shade of cloth."""
    h = float(rng.uniform(1.45, 1.7))
    shade = Material((0.97, 0.90, 0.74), (0.93, 0.84, 0.66), "fabric", 0.02, glow=0.55)
    skirt = lathe([(0.2, h - 0.3), (0.13, h)], shade)
    inside = lathe([(0.128, h), (0.198, h - 0.3)], shade)
    return [
        lathe([(0, 0), (0.15, 0), (0.15, 0.015), (0.02, 0.035)], _METAL, smooth=False),
        cylinder(0.012, h - 0.1, (0, 0, 0.02), _METAL, 16),
        skirt,
        inside,
        lathe([(0.13, h - 0.02), (0.0, h - 0.02)], shade),
    ]


def plant(rng: np.random.Generator) -> list[Part]:
    """A plant with broad leaves in a pot."""
    clay = rng.uniform(0.35, 0.8, 3) * np.array([1.0, 0.75, 0.65])
    pot = Material((float(clay[0]), float(clay[1]), float(clay[2])), gloss=0.1)
    soil = Material((0.16, 0.11, 0.08), (0.08, 0.05, 0.04), "speckle", 0.01)
    green = Material((0.16, 0.42, 0.16), (0.10, 0.30, 0.12), "fabric", 0.05, gloss=0.15)
    r, h, size = (
        float(rng.uniform(0.13, 0.18)),
        float(rng.uniform(0.25, 0.35)),
        float(rng.uniform(0.55, 0.85)),
    )
    parts = [
        lathe(
            [(0, 0), (r * 0.75, 0), (r, h), (r * 0.9, h), (r * 0.88, h - 0.03)], pot, smooth=False
        ),
        lathe([(r * 0.9, h - 0.03), (0, h - 0.03)], soil),
    ]
    for ring, (count, low) in enumerate(((7, 0.7), (9, 0.9), (6, 1.15))):
        for k in range(count):
            heading = 2 * np.pi * (k + 0.5 * ring) / count + float(rng.uniform(-0.2, 0.2))
            stretch = float(rng.uniform(0.85, 1.1))

            def rise(t: float, low: float = low) -> float:
                return low * (1.25 * t - 0.75 * float(t**2.3))

            length = size * (0.75 if ring < 2 else 0.55) * stretch
            parts.append(leaf((0, 0, h - 0.03), heading, length, 0.11, green, rise))
    return parts


def tv(rng: np.random.Generator) -> list[Part]:
    """A flat screen on a foot."""
    w = float(rng.uniform(0.95, 1.25))
    h = w * 9 / 16 + 0.03
    black = Material((0.05, 0.05, 0.055), gloss=0.4)
    image = Material((0, 0, 0), pattern="picture", picture=painting(rng), glow=0.25)
    return [
        box((0.5, 0.22, 0.015), (0, 0, 0.0075), black),
        box((0.08, 0.03, 0.1), (0, -0.02, 0.05), black),
        box((w, 0.04, h), (0, 0, 0.08 + h / 2), black),
        panel(w - 0.03, h - 0.03, (0, 0.021, 0.08 + h / 2), image),
    ]


def sideboard(rng: np.random.Generator) -> list[Part]:
    """A low cabinet with drawers."""
    w, d, h, look = float(rng.uniform(1.3, 1.7)), 0.42, float(rng.uniform(0.48, 0.6)), wood(rng)
    parts = [box((w, d - 0.02, h - 0.08), (0, -0.01, 0.08 + (h - 0.08) / 2), look)]
    for k in range(3):
        x = (k - 1) * w / 3
        parts.append(
            box((w / 3 - 0.012, 0.02, h - 0.14), (x, d / 2 - 0.01, 0.08 + (h - 0.08) / 2), look)
        )
        parts.append(box((0.12, 0.012, 0.012), (x, d / 2 + 0.006, h - 0.14), _METAL))
    for sx in (-1, 1):
        for sy in (-1, 1):
            parts.append(
                box((0.04, 0.04, 0.08), (sx * (w / 2 - 0.06), sy * (d / 2 - 0.07), 0.04), _METAL)
            )
    return parts


def stool(rng: np.random.Generator) -> list[Part]:
    """A round stool with three legs."""
    look, h = wood(rng, 3), float(rng.uniform(0.44, 0.5))
    parts = [lathe([(0, h - 0.04), (0.17, h - 0.04), (0.17, h), (0, h)], look, smooth=False)]
    for k in range(3):
        a = 2 * np.pi * k / 3 + 0.4
        parts.append(
            rod(
                (0.17 * np.cos(a), 0.17 * np.sin(a), 0),
                (0.1 * np.cos(a), 0.1 * np.sin(a), h - 0.03),
                0.018,
                look,
            )
        )
    return parts


def bin_(rng: np.random.Generator) -> list[Part]:
    """A waste bin."""
    colour = _FABRICS[int(rng.integers(len(_FABRICS)))]
    return [
        lathe(
            [(0, 0), (0.12, 0), (0.15, 0.34), (0.143, 0.34), (0.115, 0.01), (0, 0.01)],
            Material(colour, gloss=0.15),
            smooth=False,
        )
    ]


def ball(rng: np.random.Generator) -> list[Part]:
    """A striped ball."""
    r = float(rng.uniform(0.13, 0.18))
    a, b = rng.permutation(np.array([(0.85, 0.2, 0.15), (0.15, 0.35, 0.75), (0.95, 0.8, 0.2)]))[:2]
    look = Material(tuple(a), tuple(b), "stripes", r / 1.5, gloss=0.3)
    return [sphere(r, (0, 0, r), look)]


def suitcase(rng: np.random.Generator) -> list[Part]:
    """An upright suitcase on wheels."""
    shell = Material(_FABRICS[int(rng.integers(len(_FABRICS)))], gloss=0.3)
    h = float(rng.uniform(0.55, 0.7))
    parts = [rounded_box((0.42, 0.26, h), (0, 0, 0.05 + h / 2), shell, 0.05)]
    for k in range(5):
        parts.append(box((0.02, 0.27, h - 0.16), ((k - 2) * 0.07, 0, 0.05 + h / 2), shell))
    for sx in (-1, 1):
        parts.append(rod((sx * 0.09, -0.08, h + 0.03), (sx * 0.09, -0.08, h + 0.14), 0.009, _METAL))
        for sy in (-1, 1):
            parts.append(sphere(0.028, (sx * 0.16, sy * 0.09, 0.028), _METAL, 10))
    parts.append(box((0.2, 0.03, 0.025), (0, -0.08, h + 0.14), _METAL))
    return parts


def cardboard_box(rng: np.random.Generator) -> list[Part]:
    """A closed cardboard box."""
    card = Material((0.70, 0.54, 0.36), (0.64, 0.48, 0.31), "fabric", 0.04)
    tape = Material((0.82, 0.74, 0.58), gloss=0.2)
    w, d, h = rng.uniform(0.4, 0.6), rng.uniform(0.3, 0.42), rng.uniform(0.28, 0.42)
    return [
        box((w, d, h), (0, 0, h / 2), card),
        box((w + 0.002, 0.05, 0.002), (0, 0, h + 0.001), tape),
        box((0.002, 0.05, 0.09), (w / 2 + 0.001, 0, h - 0.045), tape),
        box((0.002, 0.05, 0.09), (-w / 2 - 0.001, 0, h - 0.045), tape),
    ]


def rug(rng: np.random.Generator) -> list[Part]:
    """A thin rug with a border."""
    w, d = float(rng.uniform(1.8, 2.3)), float(rng.uniform(1.2, 1.5))
    tone, edge = _fabric(rng), _fabric(rng)
    inner = Material(tone.colour, (0.85, 0.8, 0.7), "checker", 0.12)
    return [
        box((w, d, 0.012), (0, 0, 0.006), edge),
        moved(box((w - 0.24, d - 0.24, 0.002), (0, 0, 0.013), inner)),
    ]


def door(rng: np.random.Generator) -> list[Part]:
    """A door in its frame, flat against the wall behind it."""
    look, frame = wood(rng), Material((0.88, 0.87, 0.84))
    w, h = 0.9, 2.02
    parts = [box((w - 0.1, 0.03, h - 0.05), (0, 0.015, (h - 0.05) / 2), look)]
    for side in (-1, 1):
        parts.append(box((0.05, 0.06, h), (side * (w / 2 - 0.025), 0.03, h / 2), frame))
    parts.append(box((w, 0.06, 0.05), (0, 0.03, h - 0.025), frame))
    for low, high in ((0.2, 0.85), (1.05, 1.8)):
        for side in (-1, 1):
            parts.append(
                box((0.26, 0.012, high - low), (side * 0.18, 0.035, (low + high) / 2), look)
            )
    parts.append(rod((0.32, 0.03, 0.98), (0.32, 0.09, 0.98), 0.009, _METAL))
    parts.append(rod((0.32, 0.085, 0.98), (0.2, 0.085, 0.98), 0.009, _METAL))
    return parts


def window(rng: np.random.Generator) -> list[Part]:
    """A window with a view, flat against the wall; its sill is its lowest part."""
    w, h = float(rng.uniform(1.1, 1.5)), float(rng.uniform(1.0, 1.2))
    frame = Material((0.93, 0.93, 0.92), gloss=0.2)
    view = Material((0, 0, 0), pattern="picture", picture=painting(rng), glow=1.1)
    parts = [panel(w - 0.08, h - 0.08, (0, 0.012, h / 2), view)]
    for side in (-1, 1):
        parts.append(box((0.06, 0.06, h), (side * (w / 2 - 0.03), 0.03, h / 2), frame))
        parts.append(box((w, 0.06, 0.06), (0, 0.03, h / 2 + side * (h / 2 - 0.03)), frame))
    parts.append(box((0.035, 0.05, h), (0, 0.025, h / 2), frame))
    parts.append(box((w + 0.1, 0.14, 0.03), (0, 0.07, 0.0), frame))
    return parts


def framed_painting(rng: np.random.Generator) -> list[Part]:
    """A painting in its frame, flat against the wall."""
    w, h = float(rng.uniform(0.6, 1.0)), float(rng.uniform(0.45, 0.65))
    frame = wood(rng, 3)
    canvas = Material((0, 0, 0), pattern="picture", picture=painting(rng))
    parts = [
        panel(w - 0.08, h - 0.08, (0, 0.016, h / 2), canvas),
        box((w, 0.015, h), (0, 0.0075, h / 2), frame),
    ]
    for side in (-1, 1):
        parts.append(box((0.04, 0.03, h), (side * (w / 2 - 0.02), 0.015, h / 2), frame))
        parts.append(box((w, 0.03, 0.04), (0, 0.015, h / 2 + side * (h / 2 - 0.02)), frame))
    return parts


def clock(rng: np.random.Generator) -> list[Part]:
    """A round clock, flat against the wall."""
    r = float(rng.uniform(0.16, 0.2))
    rim, face = Material((0.12, 0.12, 0.13), gloss=0.3), Material((0.95, 0.94, 0.9))
    turn = np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    disk = lathe([(r, 0), (r, 0.04), (r - 0.015, 0.04), (r - 0.015, 0.025)], rim, smooth=False)
    plate = lathe([(r - 0.01, 0.025), (0, 0.025)], face)
    parts = [moved(disk, (0, 0, r), turn=turn), moved(plate, (0, 0, r), turn=turn)]
    for k in range(12):
        a = 2 * np.pi * k / 12
        parts.append(
            box(
                (0.012, 0.004, 0.012),
                ((r - 0.04) * np.sin(a), 0.027, r + (r - 0.04) * np.cos(a)),
                rim,
            )
        )
    parts.append(rod((0, 0.03, r), (0.35 * r, 0.03, r + 0.3 * r), 0.005, rim))
    parts.append(rod((0, 0.03, r), (-0.2 * r, 0.03, r + 0.62 * r), 0.004, rim))
    return parts


FURNITURE: dict[str, Maker] = {
    "table": table,
    "chair": chair,
    "sofa": sofa,
    "armchair": armchair,
    "bed": bed,
    "wardrobe": wardrobe,
    "bookshelf": bookshelf,
    "lamp": lamp,
    "plant": plant,
    "tv": tv,
    "sideboard": sideboard,
    "stool": stool,
    "bin": bin_,
    "ball": ball,
    "suitcase": suitcase,
    "cardboard box": cardboard_box,
    "rug": rug,
    "door": door,
    "window": window,
    "painting": framed_painting,
    "clock": clock,
}
