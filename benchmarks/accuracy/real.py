"""On real pictures with ground truth."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from spatialclaw.benchmarks.accuracy import lines as plain
from spatialclaw.benchmarks.accuracy.lines import Line, angle_deg, rotation_deg
from spatialclaw.primitives.errors import PrimitiveError
from spatialclaw.primitives.frames import Frames
from spatialclaw.primitives.markers import calibrate, chessboard
from spatialclaw.primitives.match import homography
from spatialclaw.primitives.motion import estimate_motion
from spatialclaw.primitives.people import people
from spatialclaw.primitives.reconstruct import reconstruct
from spatialclaw.primitives.stereo import disparity

__all__ = ["measure_real"]

Picture = npt.NDArray[np.uint8]
KITCHEN = np.array([[585.0, 0, 320], [0, 585.0, 240], [0, 0, 1]])


def measure_real(data: Path) -> list[Line]:
    """All measurements on the sample data."""
    found: list[Line] = []
    for part in (_stereo, _distances, _motion, _drive, _boards, _graffiti, _visits):
        found += part(data)
    return found


def _read(path: Path) -> Picture:
    image = cv2.imread(str(path))
    if image is None:
        raise FileNotFoundError(path)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _stereo(data: Path) -> list[Line]:
    found = []
    for name, scale in (("motorcycle", 0), ("cones", 4), ("wood2", 2)):
        folder = data / "stereo" / name
        if scale:
            raw = cv2.imread(str(folder / f"disparity_left_x{scale}.png"), 0)
            assert raw is not None
            truth = raw.astype(np.float64) / scale
            truth[truth == 0] = np.nan
        else:
            truth = np.load(folder / "disparity_left.npy").astype(np.float64)
        left, right = _read(folder / "left.png"), _read(folder / "right.png")
        most = int(np.nanmax(truth)) + 1
        values, words = {}, []
        for way, given in (
            ("ours", disparity(left, right).disparity.astype(np.float64)),
            ("plain", plain.plain_stereo(left, right, most)),
        ):
            error = np.abs(given - truth)
            known = np.isfinite(error)
            values[way] = {
                "bad2": float((error[known] > 2).mean()),
                "median_relative": float(np.median((error / truth)[known])),
                "coverage": float(known.sum() / np.isfinite(truth).sum()),
            }
            v = values[way]
            words.append(
                f"{v['bad2']:.1%} bad-2.0, {v['median_relative']:.2%} median relative, "
                f"{v['coverage']:.0%} covered"
            )
        found.append(Line(f"stereo, {name}", words[0], words[1], values))
    return found


def _distances(data: Path) -> list[Line]:
    """Distances in RGB-D pictures whose truth is in the list of questions."""
    found = []
    cases: list[tuple[str, str, str, float, list[list[float]], list[tuple[int, int]], float]]
    tum: list[list[float]] = [[535.4, 0, 320.1], [0, 539.2, 247.6], [0, 0, 1]]
    nyu: list[list[float]] = [[518.86, 0, 325.58], [0, 519.47, 253.74], [0, 0, 1]]
    cases = [
        ("die to cup", "tum_office/color.png", "tum_office/depth.png", 5000, tum,
         [(148, 222), (543, 212)], 1.6),
        ("chair to chair", "tum_office/color.png", "tum_office/depth.png", 5000, tum,
         [(85, 340), (480, 255)], 1.34),
        ("camera to table", "nyu_basement/rgb_00000.jpg", "nyu_basement/depth_00000.png", 1000,
         nyu, [(505, 185)], 5.8),
    ]  # fmt: skip
    from spatialclaw.primitives.geometry import unproject
    from spatialclaw.primitives.measure import distance

    errors = []
    for _, colour, depth, scale, k, pixels, truth in cases:
        raw = cv2.imread(str(data / "rgbd" / depth), -1)
        assert raw is not None
        frame = Frames.from_arrays(
            [_read(data / "rgbd" / colour)], depths=[raw.astype(np.float32) / scale], intrinsics=[k]
        )[0]
        places = [unproject(frame, pixel) for pixel in pixels]
        errors.append(abs(float(distance(*places)) - truth))
    words = ", ".join(f"{c[0]} {e * 100:.0f} cm off" for c, e in zip(cases, errors, strict=True))
    found.append(Line("RGB-D distances between points", words, "", {"errors_m": errors}))
    return found


def _pose(data: Path, number: int) -> npt.NDArray[np.float64]:
    return np.loadtxt(data / "rgbd/redkitchen" / f"frame-{number:06d}.pose.txt")


def _motion(data: Path) -> list[Line]:
    """Camera motion between neighbouring kitchen views with known intrinsics."""
    ours: list[tuple[float, float]] = []
    other: list[tuple[float, float]] = []
    failed = 0
    for number in range(0, 950, 50):
        truth = np.linalg.inv(_pose(data, number)) @ _pose(data, number + 50)
        if np.linalg.norm(truth[:3, 3]) < 0.1:
            continue
        names = [
            data / "rgbd/redkitchen" / f"frame-{n:06d}.color.jpg" for n in (number, number + 50)
        ]
        a, b = (_read(name) for name in names)
        frames = Frames.from_arrays([a, b], intrinsics=[KITCHEN, KITCHEN])
        rotation, shift = plain.plain_motion(a, b, KITCHEN)
        other.append((rotation_deg(rotation, truth[:3, :3]), angle_deg(shift, truth[:3, 3])))
        try:
            motion = estimate_motion(frames[0], frames[1])
        except PrimitiveError:
            failed += 1
            continue
        ours.append(
            (
                rotation_deg(motion.rotation, truth[:3, :3]),
                angle_deg(motion.translation, truth[:3, 3]) if motion.moved else 90.0,
            )
        )
    words = [
        f"median {np.median([e[0] for e in errors]):.1f}° rotation, "
        f"{np.median([e[1] for e in errors]):.0f}° direction, {len(errors)} pairs"
        for errors in (ours, other)
    ]
    if failed:
        words[0] += f", {failed} refused"
    values = {"ours": ours, "plain": other}
    return [Line("two views of a kitchen, intrinsics known", words[0], words[1], values)]


def _drive(data: Path) -> list[Line]:
    picks = (0, 10, 20, 30, 40, 50)
    poses = np.loadtxt(data / "stereo/kitti_drive/poses_all51.txt").reshape(-1, 3, 4)
    truth = poses[list(picks), :, 3]
    k = np.array([[707.09, 0, 601.89], [0, 707.09, 183.11], [0, 0, 1]])
    folder = data / "stereo/kitti_drive/left"
    paths = [folder / f"{number:06d}.png" for number in picks]
    pictures = [_read(path) for path in paths]
    scene = reconstruct(Frames.from_arrays(pictures, intrinsics=[k] * len(picks)))
    errors = aligned_errors(np.asarray(scene.camera_path), truth)
    ours = f"median {np.median(errors):.2f} m, most {errors.max():.2f} m of 60 m"
    values = {"ours": errors.tolist()}
    other = ""
    with contextlib.suppress(ImportError):  # compared where it is installed
        path = _pycolmap(paths, k)
        if path is None:
            other = "pycolmap: no reconstruction"
        else:
            e = aligned_errors(path, truth)
            other = f"pycolmap: median {np.median(e):.2f} m, most {e.max():.2f} m"
            values["pycolmap"] = e.tolist()
    return [Line("structure from motion, a drive of six pictures", ours, other, values)]


def _pycolmap(paths: Sequence[Path], k: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """Camera centres by COLMAP's incremental mapper, or None when a picture is left out."""
    import shutil
    import tempfile

    import pycolmap

    with tempfile.TemporaryDirectory() as folder:
        pictures = Path(folder) / "images"
        pictures.mkdir()
        for path in paths:
            shutil.copy(path, pictures)
        base = Path(folder) / "database.db"
        lens = ",".join(str(v) for v in (k[0, 0], k[1, 1], k[0, 2], k[1, 2]))
        reader = pycolmap.ImageReaderOptions(camera_model="PINHOLE", camera_params=lens)
        pycolmap.extract_features(
            base, pictures, camera_mode=pycolmap.CameraMode.SINGLE, reader_options=reader
        )
        pycolmap.match_exhaustive(base)
        made = pycolmap.incremental_mapping(base, pictures, Path(folder))
        best = max(made.values(), key=lambda r: r.num_reg_images(), default=None)
        if best is None or best.num_reg_images() < len(paths):
            return None
        centres = {image.name: image.projection_center() for image in best.images.values()}
        return np.array([centres[path.name] for path in paths])


def aligned_errors(
    found: npt.NDArray[np.float64], truth: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Distances after the best similarity (Umeyama, PAMI 1991)."""
    a, b = found - found.mean(axis=0), truth - truth.mean(axis=0)
    u, s, vt = np.linalg.svd(b.T @ a)
    flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
    scale = (s * np.diag(flip)).sum() / (a**2).sum()
    return np.asarray(np.linalg.norm(b - scale * a @ (u @ flip @ vt).T, axis=1))


def _boards(data: Path) -> list[Line]:
    pictures = [_read(p) for p in sorted((data / "images/calibration").glob("chessboard_*.jpg"))]
    frames = Frames.from_arrays(pictures)
    found = 0
    for frame in frames:
        with contextlib.suppress(PrimitiveError):
            board = chessboard(frame)
            found += (board.extra["columns"], board.extra["rows"]) == (9, 6)
    camera = calibrate(frames)
    ideal = np.zeros((54, 3), np.float32)
    ideal[:, :2] = np.mgrid[0:9, 0:6].T.reshape(-1, 2)
    corners = []
    for image in pictures:
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        good, points = cv2.findChessboardCorners(grey, (9, 6))
        if good:
            stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.001)
            corners.append(cv2.cornerSubPix(grey, points, (11, 11), (-1, -1), stop))
    error, k, *_ = cv2.calibrateCamera(
        [ideal] * len(corners), corners, pictures[0].shape[1::-1], None, None
    )
    return [
        Line(
            "chessboards of a camera",
            f"{found} of {len(pictures)} (size found), error {camera.error_px:.2f} px, "
            f"fx {camera.intrinsics[0, 0]:.0f}",
            f"{len(corners)} of {len(pictures)} (size given), "
            f"error {error:.2f} px, fx {k[0, 0]:.0f}",
            {"ours": camera.error_px, "plain": error},
        )
    ]


def _graffiti(data: Path) -> list[Line]:
    folder = data / "multiview/graf"
    a, b = _read(folder / "graf1.png"), _read(folder / "graf3.png")
    truth = np.loadtxt(folder / "H1to3.txt").reshape(3, 3)
    grid = np.stack(np.meshgrid(np.linspace(80, 720, 9), np.linspace(80, 560, 7)), -1)
    grid = grid.reshape(-1, 2)

    def apply(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        made = np.c_[grid, np.ones(len(grid))] @ matrix.T
        return np.asarray(made[:, :2] / made[:, 2:])

    words, values = [], {}
    ways: list[tuple[str, Callable[[], npt.NDArray[np.float64]]]] = [
        ("ours", lambda: homography(*Frames.from_arrays([a, b])).matrix),
        ("plain", lambda: plain.plain_homography(a, b)),
    ]
    for way, matrix in ways:
        errors = np.linalg.norm(apply(matrix()) - apply(truth), axis=1)
        values[way] = errors.tolist()
        words.append(f"median {np.median(errors):.2f} px, most {errors.max():.2f} px")
    return [Line("homography of a wall (graf 1 to 3)", words[0], words[1], values)]


def _visits(data: Path) -> list[Line]:
    """Frames of a video in which one person is at the table, or nobody is."""
    truth = json.loads((Path(__file__).parent / "visits.json").read_text(encoding="utf-8"))
    spans, sure = truth["visits"], truth["margin"]
    capture = cv2.VideoCapture(str(data / "video" / truth["video"]))
    ours = other = total = 0
    number = 0
    while True:
        good, image = capture.read()
        if not good:
            break
        if number % truth["every"] == 0:
            inside = any(a + sure <= number <= b - sure for a, b in spans)
            outside = all(number < a - sure or number > b + sure for a, b in spans)
            if inside or outside:
                picture = np.ascontiguousarray(image[..., ::-1])
                try:
                    count = len(people(picture))
                except PrimitiveError:
                    count = 0
                total += 1
                ours += count == int(inside)
                other += plain.plain_people(picture) == int(inside)
        number += 1
    return [
        Line(
            "number of people, frames of a video",
            f"right in {ours} of {total} frames",
            f"right in {other} of {total} frames",
            {"ours": ours, "plain": other, "frames": total},
        )
    ]
