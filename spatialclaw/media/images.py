"""Reading pictures and depth maps: any common format, turned upright, RGB, never too large."""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from spatialclaw.errors import MediaError
from spatialclaw.media.exif import camera_from_exif, gps_from_exif
from spatialclaw.media.files import require_file, sniff
from spatialclaw.media.model import DepthMap, Picture

__all__ = [
    "MAX_IMAGE_PIXELS",
    "MAX_SOURCE_PIXELS",
    "fit",
    "is_single_channel_16bit",
    "picture_mode",
    "picture_size",
    "read_depth",
    "read_labels",
    "read_picture",
    "read_values",
]

#: Pictures above this are made smaller while they are decoded.
MAX_IMAGE_PIXELS = 16_000_000
#: Pictures above this are refused: a small file can claim any size (a decompression bomb).
MAX_SOURCE_PIXELS = 178_000_000

_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIXTEEN_BIT = {"I;16", "I;16B", "I;16L", "I;16N", "I"}
#: Filters of warnings belong to the whole process: one thread at a time changes them.
_QUIET = threading.RLock()
#: What a 16-bit depth map holds where nothing was measured.
_NO_DEPTH = (0, 65535)


def fit(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """The size with the same aspect that has at most so many pixels; never larger."""
    if width * height <= max_pixels:
        return width, height
    scale = math.sqrt(max_pixels / (width * height))
    return max(1, int(width * scale)), max(1, int(height * scale))


def read_picture(path: Path, max_pixels: int = MAX_IMAGE_PIXELS) -> Picture:
    """A picture as RGB, upright by its EXIF orientation.

    Args:
        path: JPEG, PNG, WebP, TIFF, BMP, HEIC (with pillow-heif) and so on.
        max_pixels: Larger ones are made smaller while they are decoded.

    Returns:
        The picture with its stored size, its scale and what EXIF tells.

    Raises:
        MediaError: Missing, empty, no picture, damaged or unreasonably large.
    """
    with _opened(path) as image:
        stored = image.size
        with _quietly():
            exif = image.getexif()
            camera = camera_from_exif(exif, *stored, path.name)
            gps = gps_from_exif(exif)
        orientation = exif.get(_ORIENTATION, 1)
        notes: list[str] = []
        if getattr(image, "n_frames", 1) > 1:
            notes.append(
                f"{path.name}: holds {getattr(image, 'n_frames', 1)} pictures; the first is used"
            )
        target = fit(*stored, max_pixels)
        if target != stored:
            image.draft("RGB", target)
        image.load()
        upright = _upright(_shrunk(_plain(image, path.name, notes), target), orientation)
    pixels = np.asarray(_rgb(upright), dtype=np.uint8)
    turned = orientation in (5, 6, 7, 8)
    source_size = (stored[1], stored[0]) if turned else stored
    if camera is not None and turned:
        camera = replace(
            camera, cx=camera.cy, cy=camera.cx, width=camera.height, height=camera.width
        )
    scale = pixels.shape[1] / source_size[0]
    if target != stored:
        notes.append(
            f"{path.name}: {source_size[0]}x{source_size[1]} made smaller to "
            f"{pixels.shape[1]}x{pixels.shape[0]} (x{scale:.4g}); pixel positions are in the small "
            "one"
        )
    return Picture(pixels, source_size, scale, tuple(notes), camera, gps)


def picture_size(path: Path) -> tuple[int, int]:
    """(width, height) of a picture after EXIF orientation, without decoding it."""
    with _opened(path) as image:
        with _quietly():
            turned = image.getexif().get(_ORIENTATION, 1) in (5, 6, 7, 8)
        return (image.height, image.width) if turned else image.size


def picture_mode(path: Path) -> str:
    """Pillow's mode of a picture ("RGB", "L", "I;16"), without decoding it."""
    with _opened(path) as image:
        return str(image.mode)


def is_single_channel_16bit(path: Path) -> bool:
    """Whether a picture has one channel of more than 8 bits, as depth maps do."""
    return picture_mode(path) in _SIXTEEN_BIT | {"F"}


def read_depth(path: Path, units_per_metre: float | None = None) -> DepthMap:
    """A depth map in metres, NaN where unknown.

    Args:
        path: 16-bit or floating-point picture, or .npy array of shape (H, W).
        units_per_metre: What a stored value is divided by; when None, whole numbers are taken as
            millimetres, with a note, and floating-point ones as metres.

    Raises:
        MediaError: It cannot be read, has several channels, or holds no measured depth.
    """
    raw = _raw_depth(path)
    notes = []
    if units_per_metre is None:
        whole = bool(np.issubdtype(raw.dtype, np.integer))
        units_per_metre = 1000.0 if whole else 1.0
        if whole:
            notes.append(
                f"{path.name}: no depth scale is given; the values are taken as millimetres"
            )
    with np.errstate(invalid="ignore", over="ignore"):
        depth = raw.astype(np.float32) / np.float32(units_per_metre)
        unknown = ~np.isfinite(depth) | (depth <= 0)
        if np.issubdtype(raw.dtype, np.integer):
            unknown |= np.isin(raw, _NO_DEPTH)
    depth[unknown] = np.nan
    measured = depth[~unknown]
    if measured.size == 0:
        raise MediaError(
            f"{path.name}: no pixel holds a depth (all are 0, NaN or the largest value)",
            hint="Leave the file out, or export the depth again.",
        )
    middle = float(np.median(measured))
    if not 0.05 <= middle <= 200:
        notes.append(
            f"{path.name}: the median depth is {middle:.3g} m at {units_per_metre:g} units per "
            "metre; check depth_scale"
        )
    if measured.size < 0.5 * depth.size:
        notes.append(f"{path.name}: less than half of the pixels have a depth, the rest are NaN")
    return DepthMap(depth, tuple(notes))


def read_values(path: Path) -> npt.NDArray[np.float64]:
    """The values of a picture with one channel or an array, as they are: (H, W) float64.

    Raises:
        MediaError: It cannot be read or has several channels.
    """
    return _raw_depth(path).astype(np.float64)


def read_labels(path: Path) -> npt.NDArray[np.uint16]:
    """An instance map or mask: (H, W) uint16.

    Raises:
        MediaError: It cannot be read or has colour.
    """
    if path.suffix.lower() == ".npy":
        array = _load_npy(path)
    else:
        with _opened(path) as image:
            image.load()
            array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] in (3, 4) and (array[..., :1] == array[..., :3]).all():
        array = array[..., 0]
    if array.ndim != 2 or array.dtype.kind not in "ui" + "b":
        raise MediaError(
            f"{path.name}: an instance map is a picture with one channel of whole numbers, this "
            f"has shape {array.shape} of {array.dtype}"
        )
    return array.astype(np.uint16)


def _raw_depth(path: Path) -> npt.NDArray[np.generic]:
    if path.suffix.lower() == ".npy":
        array = _load_npy(path)
    elif path.suffix.lower() == ".pfm":
        array = _read_pfm(path)
    else:
        with _opened(path) as image:
            image.load()
            array = np.asarray(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim != 2:
        raise MediaError(
            f"{path.name}: has {array.shape[-1]} channels, a depth map has one",
            hint="A coloured picture of the depth cannot be read back; give the 16-bit file.",
        )
    return array


def _load_npy(path: Path) -> npt.NDArray[np.generic]:
    require_file(path)
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise MediaError(f"{path}: not an array that numpy can read ({error})") from error
    return np.asarray(array)


def _read_pfm(path: Path) -> npt.NDArray[np.generic]:
    """Portable float map, one channel (netpbm.sourceforge.net): rows from the bottom up."""
    require_file(path)
    with path.open("rb") as stream:
        kind = stream.readline().strip()
        if kind != b"Pf":
            raise MediaError(
                f"{path.name}: only PFM with one channel is read",
                hint="Convert the depth to a 16-bit PNG in millimetres or to .npy in metres.",
            )
        try:
            width, height = (int(part) for part in stream.readline().split())
            order = "<" if float(stream.readline()) < 0 else ">"
            data = np.frombuffer(stream.read(), dtype=f"{order}f4", count=width * height)
        except ValueError as error:
            raise MediaError(f"{path.name}: damaged PFM file") from error
    return np.flipud(data.reshape(height, width)).astype(np.float32)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keeps Pillow's warnings about sizes and damaged EXIF data off the terminal."""
    with _QUIET, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """A picture opened but not decoded; whatever Pillow says becomes a `MediaError`."""
    require_file(path)
    if path.suffix.lower() in (".heic", ".heif"):
        _register_heif(path)
    try:
        # Sizes are judged below, against our own limit.
        with _quietly():
            image = Image.open(path)
            with image:
                _guard(path, *image.size)
                yield image
    except UnidentifiedImageError as error:
        raise MediaError(
            f"{path}: not a picture (the file holds {sniff(path)})",
            hint="Give a JPEG, PNG, WebP, TIFF or HEIC file.",
        ) from error
    except Image.DecompressionBombError as error:
        raise _too_large(path) from error
    except MemoryError as error:
        raise _too_large(path) from error
    except (OSError, SyntaxError, ValueError, EOFError, IndexError, TypeError) as error:
        # Pillow raises any of these when the bytes of a picture are cut or damaged.
        raise MediaError(
            f"{path}: the picture is cut off or damaged ({_short(error)})",
            hint="Copy or download it again.",
        ) from error


def _guard(path: Path, width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise MediaError(f"{path}: the picture is {width}x{height}")
    if width * height > MAX_SOURCE_PIXELS:
        raise _too_large(path, f"{width}x{height}")


def _too_large(path: Path, size: str = "the picture") -> MediaError:
    return MediaError(
        f"{path}: {size} is above the limit of {MAX_SOURCE_PIXELS / 1e6:.0f} megapixels",
        hint="Make it smaller or cut out the part that the question is about.",
    )


@lru_cache(maxsize=1)
def _heif_opener() -> bool:
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _register_heif(path: Path) -> None:
    if not _heif_opener():
        raise MediaError(
            f"{path}: HEIC pictures need pillow-heif",
            hint="Run: pip install 'spatialclaw[heic]', or convert the picture to JPEG.",
        )


def _plain(image: Image.Image, name: str, notes: list[str]) -> Image.Image:
    """One of L, RGB, RGBA, LA, CMYK: modes that can be resized and put on white."""
    if image.mode in _SIXTEEN_BIT | {"F"}:
        return _eight_bit(image, name, notes)
    if image.mode in ("P", "PA") or "transparency" in image.info:
        return image.convert("RGBA" if _has_alpha(image) else "RGB")
    if image.mode in ("L", "RGB", "RGBA", "LA", "CMYK"):
        return image
    if image.mode == "1":
        return image.convert("L")
    return image.convert("RGBA" if image.mode in ("RGBa", "La") else "RGB")


def _has_alpha(image: Image.Image) -> bool:
    return image.mode == "PA" or "transparency" in image.info


def _eight_bit(image: Image.Image, name: str, notes: list[str]) -> Image.Image:
    """Grey of more than 8 bits brought to 8, by the number of bits in use."""
    values = np.asarray(image)
    if values.dtype.kind == "f":
        finite = values[np.isfinite(values)]
        low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
        span = max(float(high - low), 1e-12)
        grey = np.nan_to_num((values - low) * (255.0 / span), nan=0.0, posinf=255.0, neginf=0.0)
        notes.append(f"{name}: floating-point grey from {low:.4g} to {high:.4g} brought to 8 bits")
        return Image.fromarray(grey.round().astype(np.uint8))
    top = int(values.max(initial=0))
    bits = max(8, top.bit_length())
    notes.append(f"{name}: {bits}-bit grey brought to 8 bits")
    return Image.fromarray((np.clip(values, 0, None) >> (bits - 8)).astype(np.uint8))


def _shrunk(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    if image.size == target or image.size[0] < target[0]:
        return image
    return image.resize(target, Image.Resampling.BOX, reducing_gap=2.0)


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    method = _TURNS.get(orientation)
    return image if method is None else image.transpose(method)


def _rgb(image: Image.Image) -> Image.Image:
    """RGB; what is transparent becomes white."""
    if image.mode in ("RGBA", "LA"):
        coloured = image.convert("RGBA")
        white = Image.new("RGBA", coloured.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, coloured).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 100 else text[:97] + "..."
