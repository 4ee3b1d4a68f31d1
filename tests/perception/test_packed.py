"""Results as bytes: nothing changes but what is said, and damaged bytes are refused."""

from __future__ import annotations

import struct
import tracemalloc
import zlib
from typing import Any

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from spatialclaw.perception.packed import HALF_ERROR, pack, unpack

KINDS = ["bool", "uint8", "int8", "uint16", "int32", "int64", "float16", "float32", "float64"]
SHAPES = [(), (0,), (1,), (7,), (3, 5), (2, 0, 4), (2, 3, 4, 5)]


def packed(named: dict[str, Any], meta: dict[str, Any] | None = None) -> bytes:
    return b"".join(bytes(part) for part in pack(named, meta or {}, model="m", method="depth"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_type_and_shape_comes_back_the_same(kind: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).integers(0, 2, shape).astype(kind)
    found = unpack(packed({"x": values, "y": values})).arrays
    for array in found.values():
        assert array.dtype == values.dtype
        assert array.shape == np.atleast_1d(values).shape if shape == () else values.shape
        assert np.array_equal(array.reshape(shape), values)


def test_meta_model_and_order_of_memory() -> None:
    image = np.arange(24, dtype=np.uint16).reshape(4, 6)
    meta = {"labels": ["mug", "Tür"], "focal_px": np.float32(2.5), "sizes": np.arange(3)}
    found = unpack(packed({"a": image.T, "b": image[::2, ::3]}, meta))
    assert np.array_equal(found.arrays["a"], image.T)
    assert np.array_equal(found.arrays["b"], image[::2, ::3])
    assert found.meta == {"labels": ["mug", "Tür"], "focal_px": 2.5, "sizes": [0, 1, 2]}
    assert (found.model, found.method) == ("m", "depth")


def test_depth_is_halved_where_the_stated_error_holds_and_only_there() -> None:
    depth = np.random.default_rng(1).uniform(0.2, 80, (50, 60)).astype(np.float32)
    depth[3, 4] = np.nan
    found = unpack(packed({"depth": depth, "depth/1": depth, "poses": depth}))
    assert found.arrays["depth"].dtype == found.arrays["depth/1"].dtype == np.float16
    assert found.arrays["poses"].dtype == np.float32
    assert found.rounding == {"depth": HALF_ERROR, "depth/1": HALF_ERROR}
    change = np.abs(found.arrays["depth"].astype(np.float64) / depth - 1)
    assert np.nanmax(change) <= HALF_ERROR
    assert np.isnan(found.arrays["depth"][3, 4])
    far = unpack(packed({"depth": depth * 1e4}))
    assert far.arrays["depth"].dtype == np.float32
    assert far.rounding == {}


def test_masks_are_small() -> None:
    masks = np.zeros((5, 720, 1280), bool)
    masks[:, 100:400, 200:900] = True
    assert len(packed({"masks": masks})) < 10_000
    noise = np.random.default_rng(2).random((720, 1280)) > 0.5
    assert len(packed({"masks": noise})) < 720 * 1280 / 8 + 1000


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(np.bool_, arrays.array_shapes(min_dims=1, max_dims=3, max_side=40)),
    st.integers(0, 10_000),
    st.integers(1, 255),
)
def test_damaged_bytes_are_refused_or_read_but_never_worse(
    masks: np.ndarray, place: int, change: int
) -> None:
    data = bytearray(packed({"masks": masks, "scores": np.arange(3.0)}))
    data[place % len(data)] ^= change
    try:
        unpack(bytes(data))
    except ValueError:
        return


@pytest.mark.parametrize("length", [0, 3, 7, 8, 20, 60, 100])
def test_cut_short(length: int) -> None:
    data = packed({"masks": np.ones((9, 9), bool), "boxes": np.ones((100, 4))})
    with pytest.raises(ValueError):
        unpack(data[:length])


def test_a_bomb_does_not_unfold() -> None:
    data = packed({"masks": np.zeros((64, 64), bool)})
    (length,) = struct.unpack(">I", data[4:8])
    said = msgpack.unpackb(data[8 : 8 + length])
    bomb = zlib.compress(bytes(200_000_000), 9)
    said["arrays"][0]["bytes"] = len(bomb)
    header = msgpack.packb(said)
    head = data[:4] + struct.pack(">I", len(header)) + header
    tracemalloc.start()
    with pytest.raises(ValueError, match="size of its shape"):
        unpack(head + bytes(-len(head) % 64) + bomb)
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


def test_what_cannot_be_sent_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        pack({"x": np.array([object()])}, {})
    with pytest.raises(TypeError, match="complex"):
        pack({"x": np.array([1j])}, {})
    with pytest.raises(TypeError, match="meta"):
        pack({}, {"x": object()})
