"""Simulated data in the layouts of the real data sets. ``tools/simulate_data.py`` is its command line.

It needs trimesh and embreex: the extra ``sim``.
"""

from strl_mmdet3d.simulation.kitti import KittiSimulation
from strl_mmdet3d.simulation.s3dis import S3DISSimulation
from strl_mmdet3d.simulation.scannet import ScanNetSimulation
from strl_mmdet3d.simulation.settings import Simulation
from strl_mmdet3d.simulation.shapes import ShapesSimulation
