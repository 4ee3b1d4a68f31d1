"""Two small computations on masks that SAM 3's video model takes from a "kernel".

transformers fetches compiled code from the hub for them where a package for that is installed, and
else leaves them out, so that duplicates and specks stay. These do the same with OpenCV, and nothing
is fetched.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["MaskParts", "provide"]


class MaskParts:
    """The two functions under the names that transformers calls."""

    def generic_nms(
        self, ious: Any, scores: Any, iou_threshold: float, use_iou_matrix: bool = True
    ) -> Any:
        """Positions (k,) of what is kept, best first; of two that overlap more, the surer.

        Args:
            ious: (n, n) overlaps.
            scores: (n,).
            iou_threshold: Overlap above which the less sure goes.
            use_iou_matrix: Always true: `ious` is that matrix, not boxes.
        """
        import torch

        if not use_iou_matrix:
            raise ValueError("only a matrix of overlaps is understood")
        overlaps = ious.float().cpu().numpy()
        left = np.argsort(-scores.float().cpu().numpy(), kind="stable")
        kept: list[int] = []
        while len(left):
            kept.append(int(left[0]))
            left = left[1:][overlaps[left[0], left[1:]] <= iou_threshold]
        return torch.tensor(kept, dtype=torch.int64, device=scores.device)

    def cc_2d(self, masks: Any, get_counts: bool = True) -> Any:
        """Connected parts of (n, 1, h, w) masks, neighbours over corners too.

        Returns:
            Labels (n, 1, h, w), 0 for the background, and for each pixel the size of its part.
        """
        import cv2
        import torch

        given = masks.cpu().numpy().astype(np.uint8)
        labels = np.zeros(given.shape, dtype=np.int32)
        counts = np.zeros(given.shape, dtype=np.int32)
        for place in np.ndindex(given.shape[:2]):
            _, found, stats, _ = cv2.connectedComponentsWithStats(given[place], connectivity=8)
            sizes = stats[:, cv2.CC_STAT_AREA].copy()
            sizes[0] = 0
            labels[place], counts[place] = found, sizes[found]
        told = torch.from_numpy(labels).to(masks.device)
        return (told, torch.from_numpy(counts).to(masks.device)) if get_counts else told


def provide() -> None:
    """Gives transformers these in place of code from the hub."""
    from transformers.models.sam3_video import modeling_sam3_video

    if not isinstance(modeling_sam3_video.cv_utils_kernel, MaskParts):
        modeling_sam3_video.cv_utils_kernel = MaskParts()
