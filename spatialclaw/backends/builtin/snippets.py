"""Helper functions that the planner writes into the kernel, each when it is first needed."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["NEEDS", "SNIPPETS", "TAKEN", "with_needs"]

TAKEN = frozenset(
    [
        "frames",
        "videos",
        "views",
        "question",
        "choices",
        "show",
        "submit",
        "locate",
        "look",
        "detect",
        "segment",
        "track",
        "depth",
        "flow",
        "match",
        "markers",
        "reconstruct",
        "read_text",
        "geometry",
        "measure",
        "draw",
        "render",
        "np",
        "scipy",
        "cv2",
        "o3d",
        "plt",
        "kind",
        "names",
        "indices",
        "times",
        "sizes",
        "known",
        "objects",
        "info",
        "metric",
        "evidence",
        "named",
        "spot",
        "found",
        "middle",
        "near",
        "gap",
        "box_of",
        "up_of",
        "extents",
        "print",
        "list",
        "dict",
        "set",
        "len",
        "min",
        "max",
        "sum",
        "sorted",
        "int",
        "float",
        "str",
        "bool",
        "open",
        "type",
        "object",
        "range",
        "map",
        "filter",
        "zip",
        "any",
        "all",
        "abs",
        "round",
        "iter",
        "next",
        "id",
        "input",
        "hash",
        "dir",
        "vars",
    ]
)

SNIPPETS: dict[str, str] = {
    "middle": '''\
def up_of(cloud):
    """Up, in the axes of a cloud: z in the world, gravity in a camera."""
    if cloud.ref.startswith("world"):
        return np.array([0.0, 0.0, 1.0])
    return geometry.gravity(frames[camera_of(cloud)], assume_level=True).plain

def camera_of(cloud):
    """Position of the frame that a cloud in camera axes was seen in."""
    return int(cloud.ref.split()[-1].split(":")[-1]) if cloud.ref.startswith("camera") else 0

def box_of(cloud):
    """The upright box around a cloud."""
    return geometry.oriented_box(cloud, up=up_of(cloud))

def middle(cloud):
    """The middle of a cloud: of its box, or of the few points it has."""
    if cloud.ndim == 1 or len(cloud) < 50:
        return np.atleast_2d(cloud.plain).mean(axis=0)
    return np.asarray(box_of(cloud).center.plain)

def error_of(cloud):
    """One standard deviation of where it is: of its depth, and a tenth of its size if seen once."""
    depth_error = 0.01 if cloud.sigma is None else float(np.nanmedian(cloud.sigma))
    spread = 0.0 if cloud.ndim == 1 else float(np.linalg.norm(np.ptp(np.percentile(cloud.plain, [5, 95], axis=0), axis=0)))
    return float(np.hypot(depth_error if np.isfinite(depth_error) else 0.01, 0.03 * spread))''',
    "named": '''\
def named(ids, only=None, erode=None):
    """Points of a named object over the frames that show it most; None when no frame does."""
    shown = []
    for f in frames if only is None else [frames[only]]:
        if f.instances is not None:
            mask = np.isin(f.instances, ids)
            if mask.sum() >= 25:
                shown.append((int(mask.sum()), f, mask))
    parts = []
    for _, f, mask in sorted(shown, key=lambda s: -s[0])[:10]:
        try:
            cloud = geometry.mask_points(mask, frame=f, erode=erode)
        except Exception as error:
            print(f"frame {f.position}: {error}")
            continue
        parts.append(geometry.to_world(cloud, f) if f.pose is not None else cloud)
        if f.pose is None:
            break
    if not parts:
        return None
    return np.concatenate(parts) if len(parts) > 1 else parts[0]''',
    "to_floor": '''\
def floor_level():
    """Height of the floor in the world: the middle of what single frames say; None without poses."""
    levels = []
    for f in frames if len(frames) < 9 else frames.sample(8):
        if f.pose is not None and f.depth is not None:
            try:
                plane = geometry.ground_plane(f)
                levels.append(float(geometry.to_world(geometry.points(plane.center, plane.ref), f).plain[2]))
            except Exception as error:
                print(f"frame {f.position}: {error}")
    return float(np.percentile(levels, 25)) if levels else None

def to_floor(cloud):
    """Height of a thing that stands on the floor, from the floor up to its top; else None."""
    level = floor_level() if cloud.ref.startswith("world") else None
    if level is None:
        return None
    low, high = np.percentile(cloud.plain[:, 2], [0.3, 99.8])
    print(f"from {low - level:.3f} to {high - level:.3f} m above the floor")
    stands = low - level < 0.18 * (high - low) and low - level < 0.15
    return float(high - level) if stands else None''',
    "to_support": '''\
def to_support(number, cloud):
    """Height of a thing over the surface right around its foot (floor, table); None if it hangs."""
    views = [f for f in frames if f.instances is not None and f.pose is not None and f.depth is not None]
    views = sorted(views, key=lambda f: -int((f.instances == number).sum()))[:4]
    low, high = np.percentile(cloud.plain, [1, 99], axis=0)
    bottom, top = np.percentile(cloud.plain[:, 2], [0.3, 99.8])
    reach = 0.35 * (high - low)[:2] + 0.02
    around = []
    for f in views:
        mask = f.instances == number
        rows, columns = np.nonzero(mask)
        if len(rows) < 25:
            continue
        grow = max(np.ptp(rows), np.ptp(columns)) // 2 + 8
        box = np.zeros_like(mask)
        box[max(0, rows.min() - grow) : rows.max() + grow, max(0, columns.min() - grow) : columns.max() + grow] = True
        v, u = np.nonzero(box & ~mask & np.isfinite(f.depth))
        if len(v) < 50:
            continue
        step = max(1, len(v) // 20000)
        p = geometry.to_world(geometry.unproject(f, np.stack([u, v], axis=1)[::step]), f).plain
        near = ((p[:, :2] > low[:2] - reach) & (p[:, :2] < high[:2] + reach)).all(axis=1)
        around.append(p[near & (p[:, 2] < (bottom + top) / 2), 2])
    z = np.concatenate(around) if around else np.zeros(0)
    if len(z) < 60:
        return None
    bins = max(0.004, 0.02 * (top - bottom))
    counts, edges = np.histogram(z, bins=np.arange(z.min(), z.max() + 2 * bins, bins))
    k = int(np.argmax(counts))
    level = float(np.median(z[(z >= edges[max(0, k - 1)]) & (z <= edges[min(len(edges) - 1, k + 2)])]))
    print(f"from {bottom - level:+.3f} to {top - level:+.3f} m above what is around its foot")
    if np.mean(np.abs(z - level) < 2 * bins) < 0.4:  # a wall behind it, not a surface under it
        return None
    stands = -0.1 * (top - bottom) < bottom - level < 0.22 * (top - bottom)
    return float(top - level) if stands else None''',
    "colour_of": '''\
def colour_of(number):
    """The colour word of a named object, from its pixels where it is seen best."""
    from spatialclaw.primitives.colours import colour_name
    f = max((f for f in frames if f.instances is not None), key=lambda f: (f.instances == number).sum())
    shares = colour_name(f, f.instances == number)
    return max(shares, key=shares.get).split()[-1]''',
    "spot": '''\
def to_frame(pixel, f):
    """A pixel of the picture as stored, in the pixels of the frame."""
    return (np.asarray(pixel, dtype=float) + 0.5) * f.source_scale - 0.5

def spot(pixel, f):
    """The 3-D point that a pixel shows: the median depth of the surface it lies on."""
    x, y = to_frame(pixel, f)
    if not (0 <= x < f.width and 0 <= y < f.height):
        raise ValueError(f"pixel {pixel} is outside the {f.source_size[0]}x{f.source_size[1]} picture")
    z_map = depth(f)
    r = max(2, round(max(f.width, f.height) / 300))
    for _ in range(4):
        x0, y0 = max(0, round(x) - r), max(0, round(y) - r)
        z = z_map.depth[y0 : round(y) + r + 1, x0 : round(x) + r + 1].astype(float)
        rows, columns = np.nonzero(np.isfinite(z))
        if len(rows) >= max(6, 0.1 * z.size):
            break
        r *= 2
    else:
        raise ValueError(f"no depth within {r} px of pixel {pixel}")
    away = np.hypot(columns + x0 - x, rows + y0 - y)
    values = z[rows, columns]
    at = np.median(values[np.argsort(away)[:5]])
    same = np.abs(values - at) < 0.05 * at
    if same.mean() < 0.3:  # the pixel is on an edge or a hole: the larger surface around it
        at = np.median(values)
        same = np.abs(values - at) < 0.05 * at
    value = float(np.median(values[same])) if same.any() else float(at)
    spread = float(1.4826 * np.median(np.abs(values[same] - value))) if same.any() else 0.05 * value
    own = float(np.nanmedian(z_map.sigma[y0 : round(y) + r + 1, x0 : round(x) + r + 1]))
    error = np.hypot(spread, own if np.isfinite(own) else 0.01 * value)
    print(f"pixel {tuple(pixel)}: depth {value:.3f} +- {error:.3f}, {len(values)} of {z.size} px, "
          f"{same.mean():.0%} on one surface; by {z_map.method}, metric {z_map.metric}")
    lens = None
    if f.intrinsics is None:  # any will do to compare distances, none to measure them
        long = max(f.width, f.height)
        lens = [[long, 0, (f.width - 1) / 2], [0, long, (f.height - 1) / 2], [0, 0, 1]]
        print("the intrinsics are not known: a usual lens is assumed, distances have no scale")
    point = geometry.unproject(f, [(x, y)], depth=[value], intrinsics=lens)[0]
    if lens is not None:
        z_map.metric = False
    point.metric, point.sigma = z_map.metric and point.metric, np.asarray(error)
    return geometry.to_world(point, f) if f.pose is not None else point''',
    "found": '''\
def one_surface(cloud, boxed):
    """The points of one thing: the largest group in depth; for a box around it, the nearest good one."""
    away = np.linalg.norm(cloud.plain, axis=1)
    order = np.argsort(away)
    steps = np.diff(away[order])
    groups = np.split(order, np.flatnonzero(steps > np.maximum(0.25, 0.04 * away[order][1:])) + 1)
    groups = [g for g in groups if len(g) >= (0.15 if boxed else 0.05) * len(cloud)] or [order]
    return cloud[groups[0] if boxed else max(groups, key=len)]

def found(what, f):
    """Points of what a segmenter without weights finds in a picture, one cloud an instance."""
    masks = segment(f, what)
    print(masks)
    print(f"method = {masks.method!r}")
    best, clouds, why = max(m.score for m in masks), [], None
    found.boxes = []
    for mask in masks:
        if mask.score < 0.6 * best:
            continue
        try:
            cloud = geometry.mask_points(mask, frame=f)
        except Exception as error:
            print(mask, error)
            why = error
            try:  # no depth on it: that of the surface it stands against, at its middle
                point = spot((mask.center + 0.5) / f.source_scale - 0.5, f)
                clouds.append(point)
                found.boxes.append((mask.box, float(point.plain[-1])))
            except Exception as nothing:
                print(nothing)
            continue
        cloud = one_surface(cloud, mask.method in ("hog", "haar", "people", "faces"))
        found.boxes.append((mask.box, float(np.median(cloud.plain[:, 2]))))
        clouds.append(geometry.to_world(cloud, f) if f.pose is not None else cloud)
    if not clouds and why is not None:
        raise why
    show(draw.masks(f, masks), title=what)
    return clouds''',
    "near": '''\
def near(a, b):
    """Distance between the nearest points of two clouds, a few outliers aside."""
    from scipy.spatial import cKDTree
    first, second = np.atleast_2d(a.plain), np.atleast_2d(b.plain)
    away, _ = cKDTree(second[:: max(1, len(second) // 20000)]).query(first[:: max(1, len(first) // 20000)])
    return float(np.percentile(away, 0.2 if len(away) > 500 else 0))
''',
    "gap": '''\
def gap(a, b, how="middle"):
    """The least distance over the instances of two things, its error, and which they are."""
    pairs = [
        (near(x, y) if how == "near" else float(np.linalg.norm(middle(x) - middle(y))), i, j)
        for i, x in enumerate(a) for j, y in enumerate(b) if a is not b or i < j
    ]
    value, i, j = min(pairs)
    return value, float(np.hypot(error_of(a[i]), error_of(b[j]))), i, j''',
}

NEEDS = {
    "named": ["middle"],
    "spot": ["middle"],
    "found": ["middle", "spot"],
    "near": ["middle"],
    "gap": ["near"],
    "colour_of": ["named"],
}


def with_needs(names: Iterable[str]) -> list[str]:
    """The names with those they need, needed ones first."""
    ordered: list[str] = []
    for name in names:
        for needed in (*with_needs(NEEDS.get(name, [])), name):
            if needed not in ordered:
                ordered.append(needed)
    return ordered
