"""Results as bytes: a small header, then the arrays, each as compact as it can be without harm.

::

    4 bytes   b"SCP1"
    4 bytes   length of the header, big-endian
    header    msgpack {"model", "method", "meta", "rounding",
                       "arrays": [{"name", "dtype", "shape", "encoding", "offset", "bytes"}]}
    arrays    each at a multiple of 64 from the start; little-endian, C order

Encodings: "raw"; "bits" (booleans, eight to a byte); "bits+zlib" (the same, deflated, where that is
smaller: a mask is mostly long runs). Depths and confidences that fit are kept as float16; the
header's "rounding" says how much that may change them, relative to the value.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

__all__ = ["HALF_ERROR", "RESULT_TYPE", "Packed", "pack", "unpack"]

MAGIC = b"SCP1"
RESULT_TYPE = "application/vnd.spatialclaw.packed"
"""Media type of the bytes."""
HALF_ERROR = 2.0**-11
"""Largest relative change of a float16, for values from 6.1e-5 to 65504."""
_MAX_HEADER = 16 * 1024 * 1024
_MAX_ELEMENTS = 2**33
_ALIGN = 64
_KINDS = frozenset(
    ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"]
) | {"float16", "float32", "float64"}
_HALVED = frozenset(["depth", "depths", "sigma", "confidence", "confidences"])


@dataclass(frozen=True)
class Packed:
    """What was in the bytes.

    Attributes:
        arrays: By name; read-only where they lie in the bytes themselves.
        meta: What the model said beside.
        model: Which model.
        method: Which method.
        rounding: Largest relative change of arrays that are kept in half precision.
    """

    arrays: dict[str, npt.NDArray[Any]]
    meta: dict[str, Any]
    model: str = ""
    method: str = ""
    rounding: dict[str, float] = field(default_factory=dict)


def pack(
    arrays: Mapping[str, npt.NDArray[Any]],
    meta: Mapping[str, Any],
    *,
    model: str = "",
    method: str = "",
) -> list[bytes | memoryview]:
    """The parts that make the bytes, to be written one after the other.

    Raises:
        TypeError: An array has a type that is not sent, or `meta` holds what msgpack cannot carry.
    """
    entries: list[dict[str, Any]] = []
    bodies: list[bytes | memoryview] = []
    rounding: dict[str, float] = {}
    offset = 0
    for name, given in arrays.items():
        array = np.ascontiguousarray(given)
        if array.dtype.name not in _KINDS:
            raise TypeError(f"array {name!r} has type {array.dtype}, which is not sent")
        if _may_be_halved(name, array):
            array = array.astype(np.float16)
            rounding[name] = HALF_ERROR
        encoding, body = _encoded(array)
        entries.append(
            {
                "name": name,
                "dtype": array.dtype.name,
                "shape": list(array.shape),
                "encoding": encoding,
                "offset": offset,
                "bytes": len(body),
            }
        )
        padding = -len(body) % _ALIGN
        bodies += [body, bytes(padding)]
        offset += len(body) + padding
    header: bytes = msgpack.packb(
        {
            "model": model,
            "method": method,
            "meta": dict(meta),
            "rounding": rounding,
            "arrays": entries,
        },
        default=_plain,
    )
    head = MAGIC + struct.pack(">I", len(header)) + header
    return [head + bytes(-len(head) % _ALIGN), *bodies]


def unpack(data: Any) -> Packed:
    """Reads the bytes of `pack`; arrays that lie there plainly are not copied.

    Args:
        data: Bytes, or anything with a buffer, such as a map of a file.

    Raises:
        ValueError: They are not what `pack` makes.
    """
    view = memoryview(data).cast("B")
    if len(view) < 8 or bytes(view[:4]) != MAGIC:
        raise ValueError("no packed result")
    (length,) = struct.unpack(">I", view[4:8])
    if length > _MAX_HEADER or 8 + length > len(view):
        raise ValueError("the header is longer than the result")
    try:
        header = msgpack.unpackb(view[8 : 8 + length], raw=False, strict_map_key=True)
        start = 8 + length + -(8 + length) % _ALIGN
        arrays = {str(entry["name"]): _decoded(entry, view, start) for entry in header["arrays"]}
        return Packed(
            arrays,
            dict(header["meta"]),
            str(header["model"]),
            str(header["method"]),
            {str(name): float(value) for name, value in header["rounding"].items()},
        )
    except ValueError:
        raise
    except (KeyError, TypeError, AttributeError, zlib.error, msgpack.UnpackException) as error:
        raise ValueError(f"a damaged result ({type(error).__name__})") from error


def _may_be_halved(name: str, array: npt.NDArray[Any]) -> bool:
    """Whether float16 keeps every value to `HALF_ERROR`."""
    kind = name.split("/")[0]
    if array.dtype not in (np.float32, np.float64) or kind not in _HALVED:
        return False
    size = np.abs(array[np.isfinite(array)])
    if kind.startswith("confidence"):  # from 0 to 1: near 0 the change is under 3e-8
        return bool(size.max(initial=0) <= 1)
    size = size[size > 0]
    return size.size == 0 or bool(size.min() >= 6.104e-5 and size.max() <= 65504)


def _encoded(array: npt.NDArray[Any]) -> tuple[str, bytes | memoryview]:
    if array.dtype != np.bool_:
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        return "raw", little.reshape(-1).view(np.uint8).data
    bits = np.packbits(array.reshape(-1))
    squeezed = zlib.compress(bits.data, 1)
    if len(squeezed) < 0.9 * bits.size:
        return "bits+zlib", squeezed
    return "bits", bits.data


def _decoded(entry: Any, view: memoryview, start: int) -> npt.NDArray[Any]:
    kind, shape = entry["dtype"], tuple(entry["shape"])
    if kind not in _KINDS or any(type(n) is not int or n < 0 for n in shape):
        raise ValueError("an array of no known kind")
    count = math.prod(shape)
    first, size = start + int(entry["offset"]), int(entry["bytes"])
    if count > _MAX_ELEMENTS or size < 0 or first < start or first + size > len(view):
        raise ValueError("an array reaches beyond the result")
    body = view[first : first + size]
    if entry["encoding"] == "raw":
        dtype = np.dtype(kind).newbyteorder("<")
        if size != count * dtype.itemsize:
            raise ValueError("an array has not the size of its shape")
        made = np.frombuffer(body, dtype).reshape(shape)
        made.flags.writeable = False
        return made
    packed = (count + 7) // 8
    if entry["encoding"] == "bits+zlib":
        body = memoryview(zlib.decompressobj().decompress(body, packed + 1))
    elif entry["encoding"] != "bits":
        raise ValueError("an encoding that is not known")
    if kind != "bool" or len(body) != packed:
        raise ValueError("an array has not the size of its shape")
    bits = np.unpackbits(np.frombuffer(body, np.uint8), count=count)
    return bits.view(np.bool_).reshape(shape)


def _plain(value: Any) -> Any:
    """Numbers and arrays of numpy in `meta` as plain ones."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    raise TypeError(f"meta holds a {type(value).__name__}, which is not sent")
