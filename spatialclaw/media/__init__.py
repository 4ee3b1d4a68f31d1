"""Media: pictures, videos, multi-view sets and RGB-D captures become `Frames`.

`load` decodes what a question is about, once, into one array file that kernels map read-only.
"""

from spatialclaw.media.loading import Media, load

__all__ = ["Media", "load"]
