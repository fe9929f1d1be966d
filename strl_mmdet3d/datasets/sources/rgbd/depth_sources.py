"""The sources of posed depth images by their names, each with the survey of its walks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ...sequence_index import FrameSequence
from .arkit_scenes import arkit_sequences
from .depth_frames import DepthFrameLister
from .depth_survey import World, surveyed
from .redwood import redwood_sequences
from .scannet import scannet_sequences
from .seven_scenes import seven_scenes_sequences
from .tum_rgbd import tum_sequences


@dataclass(frozen=True)
class DepthSource:
    """A data set of posed depth images.

    Attributes:
        listed: Lists its walks with the poses as they are.
        world: What it says of the world of its poses.
    """

    listed: Callable[[Path, DepthFrameLister], Iterator[FrameSequence]]
    world: World

    def sequences(self, root: Path, lister: DepthFrameLister) -> Iterator[FrameSequence]:
        """List its walks, checked and with z up, see :func:`surveyed`."""
        return surveyed(self.listed(root, lister), root, lister, self.world)


DEPTH_SOURCES = {
    'scannet': DepthSource(scannet_sequences, 'z-up'),
    '7-scenes': DepthSource(seven_scenes_sequences, 'unknown'),
    'tum': DepthSource(tum_sequences, 'z-up'),
    'arkitscenes': DepthSource(arkit_sequences, 'measured z-up'),
    'redwood': DepthSource(redwood_sequences, 'unknown'),
}
