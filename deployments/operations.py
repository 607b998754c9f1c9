"""The table of operations: HTTP routes, handle methods and dry runs are made from it."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.engines.image_core.batch import BATCH
from deployments.engines.image_core.plan import OPERATIONS as IMAGE_CORE
from deployments.engines.image_core.templates import TEMPLATES
from deployments.engines.typography_core.plan import OPERATION as TYPOGRAPHY
from deployments.engines.vector_core.plan import OPERATIONS as VECTOR_CORE
from deployments.engines.video_anonymise.plan import OPERATION as VIDEO_ANONYMISE
from deployments.engines.video_captions.plan import OPERATION as VIDEO_CAPTIONS
from deployments.engines.video_mask.plan import OPERATION as VIDEO_MASKS
from deployments.engines.video_regions.older import OPERATION as VIDEO_FACE_TRACKS
from deployments.engines.video_regions.plan import OPERATION as VIDEO_REGIONS
from deployments.engines.video_render.plan import OPERATION as VIDEO_RENDER
from deployments.engines.video_visual_meta.plan import OPERATION as VIDEO_VISUAL_META
from deployments.engines.video_visual_meta.reframe import OPERATION as VIDEO_REFRAME
from deployments.operation import Operation

OPERATIONS: Mapping[str, Operation] = {
    row.name: row
    for row in (
        *IMAGE_CORE,
        BATCH,
        *TEMPLATES,
        TYPOGRAPHY,
        *VECTOR_CORE,
        VIDEO_REGIONS,
        VIDEO_FACE_TRACKS,
        VIDEO_VISUAL_META,
        VIDEO_REFRAME,
        VIDEO_MASKS,
        VIDEO_CAPTIONS,
        VIDEO_ANONYMISE,
        VIDEO_RENDER,
    )
}
"""Every operation by name."""

__all__ = ["OPERATIONS"]
