"""Points that know their frame of reference.

A `Points` is a numpy array whose last axis holds coordinates and which carries `ref`:
``"pixel 3"`` (x, y in frame 3), ``"camera 3"`` (x right, y down, z forward), ``"world"`` (z up) or
``"object chair"``. Arithmetic between different references raises `FrameOfReferenceError` with the
call that converts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from spatialclaw.primitives.errors import FrameOfReferenceError
from spatialclaw.primitives.frames import Frame

__all__ = ["Points", "camera_ref", "object_ref", "pixel_ref", "points", "require_ref", "world_ref"]

# Results of these are coordinates again; of all other ufuncs, plain arrays.
_COORDINATES = {
    np.add, np.subtract, np.negative, np.positive, np.absolute, np.minimum, np.maximum, np.fmin,
    np.fmax, np.multiply, np.true_divide, np.rint, np.floor, np.ceil, np.conjugate, np.clip,
}  # fmt: skip
_SPREADING = {np.multiply, np.true_divide}


class Points(np.ndarray[Any, Any]):
    """An array (N, 3), (N, 2), (3,) or (2,) of coordinates with their frame of reference.

    Attributes:
        ref: "pixel i", "camera i", "world" or "object name".
        metric: Whether the unit is the metre (never for pixels).
        sigma: One standard deviation of a point, same unit: a number, one for each point, or None
            when unknown.
        method: Where the points come from, such as "rgbd" or "sgbm".

    Example:
        >>> a = points([0, 0, 2], "camera 0"); b = points([1, 0, 2], "camera 0")
        >>> float(np.linalg.norm(a - b))
        1.0
    """

    ref: str
    metric: bool
    sigma: Any
    method: str

    def __new__(  # noqa: D102 - documented by the class
        cls,
        values: npt.ArrayLike,
        ref: str,
        *,
        metric: bool = True,
        sigma: npt.ArrayLike | None = None,
        method: str = "",
    ) -> Points:
        array = np.array(values, dtype=np.float64).view(cls)
        array.ref = ref
        array.metric = metric and not ref.startswith("pixel")
        array.sigma = None if sigma is None else np.asarray(sigma, dtype=np.float64)
        array.method = method
        return array

    def __array_finalize__(self, source: Any) -> None:
        self.ref = getattr(source, "ref", "")
        self.metric = getattr(source, "metric", False)
        self.sigma = None
        self.method = getattr(source, "method", "")

    def __array_ufunc__(
        self, ufunc: np.ufunc, method: str, *inputs: Any, out: Any = None, **kwargs: Any
    ) -> Any:
        here = [value for value in inputs if isinstance(value, Points)]
        if out is not None:
            here += [value for value in out if isinstance(value, Points)]
            kwargs["out"] = tuple(_plain(value) for value in out)
        _same_ref(here)
        result = getattr(ufunc, method)(*(_plain(value) for value in inputs), **kwargs)
        several = sum(isinstance(value, Points) for value in inputs) > 1
        if ufunc not in _COORDINATES or (ufunc in _SPREADING and several):
            return result
        if ufunc is np.true_divide and isinstance(inputs[1], Points):
            return result
        first = next((v for v in inputs if isinstance(v, Points)), here[0])
        if method == "reduce" and not _keeps_last(first.ndim, kwargs):
            return result
        sigma = _sigma(ufunc, inputs) if method == "__call__" else _typical(first.sigma)
        return _like(result, here, sigma)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        here = list(_find((args, kwargs)))
        _same_ref(here)
        result = super().__array_function__(func, types, args, kwargs)
        if func in _REDUCING:
            at = 2 if func in (np.percentile, np.quantile, np.nanpercentile) else 1
            axis = kwargs.get("axis", args[at] if len(args) > at else None)
            if axis is None or here[0].ndim == 1 or np.ndim(result) == 0:
                return _plain(result)
            if np.shape(result)[-1:] == here[0].shape[-1:] and axis in (0, -here[0].ndim):
                return _like(result, here, _typical(here[0].sigma))
            return _plain(result)
        if isinstance(result, np.ndarray):
            same_width = result.shape[-1:] == here[0].shape[-1:]
            return (
                _like(result, here, None) if same_width and func in _ARRANGING else _plain(result)
            )
        return result

    def __getitem__(self, key: Any) -> Any:
        result = super().__getitem__(key)
        if not isinstance(result, np.ndarray):
            return result
        kept, rows = _split_key(key, self.ndim)
        if not kept:
            return _plain(result)
        if isinstance(result, Points) and self.sigma is not None:
            sigma = np.asarray(self.sigma)
            result.sigma = sigma if sigma.ndim == 0 else sigma[rows]
        return result

    @property
    def T(self) -> npt.NDArray[np.float64]:  # type: ignore[override]
        """The transpose, a plain array (its last axis is no longer coordinates)."""
        return self.plain.T

    @property
    def plain(self) -> npt.NDArray[np.float64]:
        """The same numbers without frame of reference."""
        return self.view(np.ndarray)

    def copy(self, order: Any = "C") -> Points:
        """The same points, to be changed without changing these."""
        made: Points = super().copy(order)
        made.sigma = None if self.sigma is None else np.array(self.sigma)
        return made

    def dot(self, other: Any, out: Any = None) -> Any:
        """Matrix product, a plain array."""
        return self.plain.dot(_plain(other), out)

    def in_ref(self, ref: str) -> Points:
        """The same numbers declared to be in another frame of reference; converts nothing."""
        return Points(self.plain, ref, metric=self.metric, sigma=self.sigma, method=self.method)

    def __reduce__(self) -> Any:
        return (_rebuild, (self.plain.copy(), self.ref, self.metric, self.sigma, self.method))

    def __repr__(self) -> str:
        unit = "px" if self.ref.startswith("pixel") else "m" if self.metric else "no scale"
        numbers = np.array2string(self.plain, precision=3, suppress_small=True, threshold=30)
        return f"Points({numbers}, {self.ref}, {unit})"


def points(
    values: npt.ArrayLike,
    ref: str | Frame,
    *,
    metric: bool = True,
    sigma: npt.ArrayLike | None = None,
) -> Points:
    """Points with their frame of reference.

    Args:
        values: (N, 3) or (3,) coordinates, or (N, 2) or (2,) pixels.
        ref: "world", "camera 3", "pixel 3", "object chair"; or a `Frame`: its pixels for two
            columns, its camera for three.
        metric: Whether the unit is the metre.
        sigma: One standard deviation of each point, same unit, when known.

    Example:
        >>> points([[0.1, 0.2, 1.5]], "camera 0").ref
        'camera 0'
    """
    if isinstance(values, Points) and isinstance(ref, str) and values.ref != ref:
        raise FrameOfReferenceError(
            f"these points are in {values.ref}, not in {ref}", hint=_conversion(values.ref, ref)
        )
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] not in (2, 3):
        raise ValueError(f"points have 2 or 3 columns, not shape {array.shape}")
    if isinstance(ref, Frame):
        ref = pixel_ref(ref) if array.shape[-1] == 2 else camera_ref(ref)
    return Points(array, ref, metric=metric, sigma=sigma)


def pixel_ref(frame: Frame) -> str:
    """Gives "pixel i" of a frame; "pixel k:i" in the k-th of several videos."""
    return f"pixel {_number(frame)}"


def camera_ref(frame: Frame) -> str:
    """Gives "camera i" of a frame; "camera k:i" in the k-th of several videos."""
    return f"camera {_number(frame)}"


def world_ref(frame: Frame) -> str:
    """Gives "world", or "world k" for the k-th of several videos, whose worlds differ."""
    return "world" if frame.sequence == 0 else f"world {frame.sequence}"


def object_ref(name: str) -> str:
    """Gives "object name": origin at its centre, x to its right, y down, z to its front."""
    return f"object {name}"


def require_ref(value: Any, ref: str, what: str = "points") -> Points:
    """The value as `Points` in `ref`; plain arrays are taken as such.

    Raises:
        FrameOfReferenceError: They are in another frame of reference.
    """
    if isinstance(value, Points):
        if value.ref != ref:
            raise FrameOfReferenceError(
                f"{what} in {value.ref} where {ref} is needed", hint=_conversion(value.ref, ref)
            )
        return value
    return Points(np.asarray(value, dtype=np.float64), ref)


def _number(frame: Frame) -> str:
    return str(frame.position) if frame.sequence == 0 else f"{frame.sequence}:{frame.position}"


def _name(ref: str) -> str:
    number = ref.partition(" ")[2]
    if ":" in number:
        sequence, _, position = number.partition(":")
        return f"videos[{sequence}][{position}]"
    return f"frames[{number}]"


def _conversion(given: str, wanted: str) -> str:
    """The call that takes points of one frame of reference to another."""
    kind = given.partition(" ")[0]
    to = wanted.partition(" ")[0]
    source = {
        "pixel": f"geometry.unproject({_name(given)}, p)",
        "camera": "p",
        "world": "p",
        "object": "geometry.from_object(p, box)",
    }.get(kind, "p")
    if to == "world":
        if kind in ("world", "object"):
            return source if kind == "object" else "one capture's points at a time"
        return f"geometry.to_world({source}, {_name(given)})"
    elsewhere = given[len(kind) :] != wanted[len(to) :]
    if elsewhere and kind in ("pixel", "camera") and to in ("camera", "pixel"):
        source = f"geometry.to_world({source}, {_name(given)})"
    if to == "camera":
        same_camera = kind == "pixel" and given[len(kind) :] == wanted[len(to) :]
        return source if same_camera else f"geometry.to_camera({source}, {_name(wanted)})"
    if to == "pixel":
        return f"geometry.project({source}, {_name(wanted)})"
    if to == "object":
        return "geometry.to_object(p, box)"
    return f"geometry.points(p, {wanted!r}) if they really are in {wanted}"


def _same_ref(here: Sequence[Points]) -> None:
    for other in here[1:]:
        if other.ref != here[0].ref:
            a, b = here[0].ref, other.ref
            if a.partition(" ")[0] == b.partition(" ")[0]:
                a, b = sorted((a, b))
            elif a.startswith("world") or (b.startswith("pixel") and not a.startswith("pixel")):
                a, b = b, a
            raise FrameOfReferenceError(
                f"points in {here[0].ref} and points in {other.ref} do not mix",
                hint=f"{_conversion(a, b)} for those in {a}",
            )


def _plain(value: Any) -> Any:
    if not isinstance(value, Points):
        return value
    plain = value.view(np.ndarray)
    return plain[()] if plain.ndim == 0 else plain


def _like(result: Any, here: Sequence[Points], sigma: Any) -> Any:
    if not isinstance(result, np.ndarray) or result.ndim == 0:
        return result
    made = result.view(Points)
    made.ref = here[0].ref
    made.metric = all(value.metric for value in here)
    made.sigma = sigma
    made.method = " + ".join(dict.fromkeys(value.method for value in here if value.method))
    return made


def _sigma(ufunc: np.ufunc, inputs: Sequence[Any]) -> Any:
    """Standard deviations through sums, differences and scaling; None where not known."""
    known = [v.sigma for v in inputs if isinstance(v, Points) and v.sigma is not None]
    if not known:
        return None
    if ufunc in (np.add, np.subtract):
        return np.sqrt(sum(np.square(s) for s in known))
    if ufunc in _SPREADING:
        factor = next((v for v in inputs if not isinstance(v, Points)), None)
        if factor is None or np.ndim(factor) != 0:
            return None
        scale = abs(float(factor))
        return known[0] * scale if ufunc is np.multiply else known[0] / scale
    return known[0]


def _typical(sigma: Any) -> Any:
    """Errors of depth are shared by neighbours: the mean of many is not taken to be better."""
    return None if sigma is None or not np.size(sigma) else np.asarray(np.nanmedian(sigma))


def _keeps_last(ndim: int, kwargs: dict[str, Any]) -> bool:
    axis = kwargs.get("axis", 0)
    if ndim < 2 or axis is None:
        return False
    axes = {a % ndim for a in (axis if isinstance(axis, tuple) else (axis,))}
    return ndim - 1 not in axes


def _split_key(key: Any, ndim: int) -> tuple[bool, Any]:
    """Whether indexing keeps the last axis as coordinates, and the key of the other axes."""
    parts = list(key) if isinstance(key, tuple) else [key]
    used = sum(
        0
        if part is None or part is Ellipsis
        else max(1, getattr(part, "ndim", 1))
        if getattr(part, "dtype", None) == np.dtype(bool)
        else 1
        for part in parts
    )
    if any(part is Ellipsis for part in parts):
        at = next(i for i, part in enumerate(parts) if part is Ellipsis)
        parts[at : at + 1] = [slice(None)] * (ndim - used)
        used = ndim
    if used < ndim:
        return True, tuple(parts)
    last = parts[-1]
    if isinstance(last, slice):
        width = last == slice(None)
        return width, tuple(parts[:-1])
    return False, ()


def _find(value: Any) -> Iterable[Points]:
    if isinstance(value, Points):
        yield value
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _find(item)
    elif isinstance(value, dict):
        yield from _find(list(value.values()))


def _rebuild(values: Any, ref: str, metric: bool, sigma: Any, method: str) -> Points:
    return Points(values, ref, metric=metric, sigma=sigma, method=method)


_REDUCING = {
    np.mean, np.median, np.average, np.percentile, np.quantile, np.nanmean, np.nanmedian,
    np.nanpercentile, np.amin, np.amax, np.min, np.max, np.nanmin, np.nanmax,
}  # fmt: skip
_ARRANGING = {
    np.concatenate, np.vstack, np.stack, np.array, np.copy, np.atleast_2d, np.squeeze, np.where,
    np.append, np.unique, np.sort, np.flip, np.roll, np.repeat, np.broadcast_to, np.nan_to_num,
    np.delete, np.insert, np.take, np.clip, np.round, np.around, np.diff,
}  # fmt: skip
