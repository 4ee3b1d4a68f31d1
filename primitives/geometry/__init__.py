"""Geometry whose points know their frame of reference.

`points`, `unproject`, `project`, `to_world`, `to_camera`, `mask_points` move between pixels,
cameras and the world; `fit_plane`, `ground_plane`, `oriented_box`, `convex_hull_area`, `icp` and
`rigid` fit shapes; `gravity`, `direction`, `relation`, `camera_motion` turn them into words with
margins.
"""

from spatialclaw.primitives.geometry.align import Alignment, icp, rigid, similarity
from spatialclaw.primitives.geometry.boxes import (
    Box3D,
    from_object,
    oriented_box,
    to_object,
)
from spatialclaw.primitives.geometry.camera import (
    camera_center,
    camera_path,
    field_of_view,
    in_view,
    project,
    rays,
    to_camera,
    to_world,
    transform,
    unproject,
)
from spatialclaw.primitives.geometry.directions import Direction, direction
from spatialclaw.primitives.geometry.gravity import gravity
from spatialclaw.primitives.geometry.hulls import (
    convex_hull_area,
    convex_hull_volume,
    polygon_area,
)
from spatialclaw.primitives.geometry.masks import mask_points
from spatialclaw.primitives.geometry.motion import CameraMotion, camera_motion
from spatialclaw.primitives.geometry.places import position_of, scene
from spatialclaw.primitives.geometry.planes import (
    Plane,
    fit_plane,
    fit_planes,
    ground_plane,
    intersect_ray,
)
from spatialclaw.primitives.geometry.points import Points, points
from spatialclaw.primitives.geometry.relations import Relation, relation
from spatialclaw.primitives.geometry.views import (
    apply_homography,
    epipolar_line,
    look_at,
    pose_moved,
    rotation_about,
    triangulate,
)

__all__ = [
    "Alignment",
    "Box3D",
    "CameraMotion",
    "Direction",
    "Plane",
    "Points",
    "Relation",
    "apply_homography",
    "camera_center",
    "camera_motion",
    "camera_path",
    "convex_hull_area",
    "convex_hull_volume",
    "direction",
    "epipolar_line",
    "field_of_view",
    "fit_plane",
    "fit_planes",
    "from_object",
    "gravity",
    "ground_plane",
    "icp",
    "in_view",
    "intersect_ray",
    "look_at",
    "mask_points",
    "oriented_box",
    "points",
    "polygon_area",
    "pose_moved",
    "position_of",
    "project",
    "rays",
    "relation",
    "rigid",
    "rotation_about",
    "scene",
    "similarity",
    "to_camera",
    "to_object",
    "to_world",
    "transform",
    "triangulate",
    "unproject",
]
