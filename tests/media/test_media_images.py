"""Whatever the picture's format, a frame is upright RGB of a bounded size."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from media_samples import peak_mb, picture, save
from PIL import Image

from spatialclaw.errors import MediaError
from spatialclaw.media.images import MAX_SOURCE_PIXELS, read_picture


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff", "bmp", "gif", "ppm"])
def test_format(tmp_path, opened, suffix):
    path = tmp_path / f"ein Bild ü 图.{suffix}"
    Image.fromarray(picture()).save(path)
    (frame,) = opened(path)
    assert frame.image.shape == (48, 64, 3)
    assert frame.image.dtype == np.uint8
    assert not frame.image.flags.writeable
    assert np.abs(frame.image.astype(int) - picture()).mean() < 12
    assert frame.intrinsics is None
    assert frame.source_scale == 1.0


def test_heic(tmp_path, opened):
    pillow_heif = pytest.importorskip("pillow_heif")
    path = tmp_path / "a.heic"
    pillow_heif.from_pillow(Image.fromarray(picture())).save(path, quality=90)
    (frame,) = opened(path)
    assert np.abs(frame.image.astype(int) - picture()).mean() < 6


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 90, (90, 90, 90)),
        ("LA", (0, 0), (255, 255, 255)),
        ("RGB", (10, 20, 30), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 255), (10, 20, 30)),
        ("RGBA", (10, 20, 30, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 128), (127, 127, 127)),
    ],
)
def test_mode_becomes_rgb_on_white(tmp_path, mode, value, expected):
    path = tmp_path / "a.png"
    Image.new(mode, (8, 6), value).save(path)
    assert tuple(read_picture(path).image[2, 3]) == expected


def test_cmyk_jpeg(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, quality=95)
    red = read_picture(path).image[8, 8].astype(int)
    assert red[0] > 200
    assert red[1:].max() < 60


def test_palette_with_transparency(tmp_path):
    image = Image.new("P", (8, 8), 0)
    image.putpalette([200, 0, 0, 0, 200, 0] + [0] * 762)
    image.putpixel((1, 1), 1)
    image.save(tmp_path / "a.png", transparency=0)
    out = read_picture(tmp_path / "a.png").image
    assert tuple(out[0, 0]) == (255, 255, 255)
    assert tuple(out[1, 1]) == (0, 200, 0)


@pytest.mark.parametrize("top", [255, 1023, 4095, 65535])
def test_deep_grey_uses_the_whole_range(tmp_path, top):
    ramp = np.linspace(0, top, 64).astype(np.uint16)[None].repeat(8, axis=0)
    picture_ = read_picture(save(tmp_path / "a.png", ramp))
    assert picture_.image[0, 0, 0] == 0
    assert picture_.image[0, -1, 0] == 255
    assert "bit grey" in picture_.notes[0]


def test_floating_point_grey_with_nan(tmp_path):
    values = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    values[0, 0] = np.nan
    image = read_picture(save(tmp_path / "a.tiff", values)).image
    assert image[2, 3, 0] == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(tmp_path, orientation):
    upright = picture(40, 24)
    back = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", np.ascontiguousarray(back), exif=exif)
    out = read_picture(path)
    assert np.array_equal(out.image, upright)
    assert out.source_size == (40, 24)


def exif_of(**tags: object) -> Image.Exif:
    names = {
        "focal_mm": 0x920A,
        "focal_35mm": 0xA405,
        "plane_x": 0xA20E,
        "plane_unit": 0xA210,
        "pixel_x": 0xA002,
        "pixel_y": 0xA003,
    }
    exif = Image.Exif()
    exif.get_ifd(0x8769).update({names[key]: value for key, value in tags.items()})
    return exif


def test_focal_length_from_35mm_equivalent(tmp_path, opened):
    path = save(tmp_path / "a.jpg", picture(400, 300), exif=exif_of(focal_35mm=26))
    (frame,) = opened(path)
    assert frame.intrinsics[0, 0] == pytest.approx(26 / 43.267 * 500, rel=1e-3)
    assert frame.intrinsics[0, 2] == pytest.approx(199.5)
    assert frame.intrinsics_source == "exif"
    assert frame.focal_sigma == pytest.approx(0.1 * frame.intrinsics[0, 0], rel=0.01)


def test_focal_length_from_the_sensor(tmp_path, opened):
    # 36 mm of sensor under 6000 px, 50 mm lens, the picture later made smaller to 600 px.
    exif = exif_of(
        focal_mm=50.0, plane_x=6000 / 3.6, plane_unit=3, pixel_x=6000, pixel_y=4000, focal_35mm=50
    )
    (frame,) = opened(save(tmp_path / "a.jpg", picture(600, 400), exif=exif))
    assert frame.intrinsics[0, 0] == pytest.approx(600 * 50 / 36, rel=1e-3)
    assert frame.focal_sigma == pytest.approx(25, rel=0.1)


@pytest.mark.parametrize(
    "tags", [{}, {"focal_35mm": 0}, {"focal_mm": 4.2}, {"focal_mm": 4.2, "plane_x": 0.0}]
)
def test_nothing_is_made_up_without_a_focal_length(tmp_path, opened, tags):
    (frame,) = opened(save(tmp_path / "a.jpg", picture(), exif=exif_of(**tags)))
    assert frame.intrinsics is None


def test_cut_picture_is_less_sure(tmp_path, opened):
    exif = exif_of(focal_35mm=28, pixel_x=4000, pixel_y=3000)
    (frame,) = opened(save(tmp_path / "a.jpg", picture(300, 300), exif=exif))
    assert frame.focal_sigma == pytest.approx(0.25 * frame.intrinsics[0, 0], rel=0.01)


def test_turned_picture_keeps_its_focal_length(tmp_path, opened):
    exif = exif_of(focal_35mm=26)
    exif[0x0112] = 6
    (frame,) = opened(save(tmp_path / "a.jpg", picture(400, 300), exif=exif))
    assert frame.image.shape == (400, 300, 3)
    assert frame.intrinsics[0, 2] == pytest.approx(149.5)
    assert frame.intrinsics[1, 2] == pytest.approx(199.5)


def test_gps_is_kept(tmp_path, opened):
    exif = Image.Exif()
    exif.get_ifd(0x8825).update(
        {1: "S", 2: (33.0, 51.0, 30.0), 3: "W", 4: (70.0, 0.0, 36.0), 5: b"\x01", 6: 12.5}
    )
    frames = opened(save(tmp_path / "a.jpg", picture(), exif=exif))
    (place,) = frames.info["gps"]
    assert place["latitude"] == pytest.approx(-33.858333)
    assert place["longitude"] == pytest.approx(-70.01)
    assert place["altitude_m"] == -12.5


def test_large_picture_is_made_smaller_with_a_note(tmp_path, opened):
    exif = exif_of(focal_35mm=26)
    frames = opened(
        save(tmp_path / "a.jpg", picture(2000, 1500), exif=exif), max_frame_pixels=120_000
    )
    (frame,) = frames
    assert (frame.width, frame.height) == (400, 300)
    assert frame.source_size == (2000, 1500)
    assert frame.source_scale == pytest.approx(0.2)
    assert frame.intrinsics[0, 0] == pytest.approx(26 / 43.267 * 500, rel=1e-3)
    assert frame.intrinsics[0, 2] == pytest.approx(199.5)
    assert any("2000x1500 made smaller to 400x300" in note for note in frames.media.notes)


@pytest.mark.parametrize(
    ("kind", "limit_mb"),
    [("jpg", 350), pytest.param("png", 800, marks=pytest.mark.slow)],
)
def test_hundred_megapixels_in_bounded_memory(tmp_path, kind, limit_mb):
    path = tmp_path / f"large.{kind}"
    Image.new("RGB", (12000, 9000), (20, 90, 160)).save(path, compress_level=1)
    code = (
        "import sys\n"
        "from spatialclaw.media import load\n"
        "frame = load(sys.argv[1], workdir=sys.argv[2]).sequences[0][0]\n"
        "assert frame.width * frame.height <= 16e6 and frame.source_size == (12000, 9000)\n"
        "assert abs(frame.image[100, 100].astype(int) - (20, 90, 160)).max() < 4\n"
    )
    assert peak_mb(code, path, tmp_path / "run") < limit_mb


@pytest.mark.parametrize("size", [(20000, 10000), (60000, 60000)])
def test_decompression_bomb_is_refused(tmp_path, size):
    # A hundred bytes that claim to be gigabytes.
    path = tmp_path / "bomb.png"
    Image.new("RGB", (8, 8)).save(path)
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", *size)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(bytes(data))
    assert size[0] * size[1] > MAX_SOURCE_PIXELS
    with pytest.raises(MediaError, match=r"bomb\.png.*above the limit of 178 megapixels"):
        read_picture(path)


def test_many_large_pictures_share_the_room(tmp_path, monkeypatch):
    from spatialclaw.media import load, loading

    monkeypatch.setattr(loading, "MAX_TOTAL_PIXELS", 40_000)
    paths = [save(tmp_path / f"{i}.jpg", picture(200, 100, i)) for i in range(4)]
    media = load(paths, workdir=tmp_path / "run")
    assert sum(f.width * f.height for f in media.sequences[0]) <= 40_000


def test_gif_that_moves_is_a_video(tmp_path, opened):
    pages = [Image.new("P", (32, 24), i) for i in range(3)]
    pages[0].save(tmp_path / "a.gif", save_all=True, append_images=pages[1:], duration=200)
    Image.new("RGB", (32, 24)).save(tmp_path / "b.gif")
    assert opened(tmp_path / "b.gif").kind == "images"
