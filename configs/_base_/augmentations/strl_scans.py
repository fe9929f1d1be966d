"""Views made for LiDAR scans. All numbers are our choice, but for the paper's where a comment says so.

A config takes `scan_pair` before the views, `scan_load` behind the loading, and for its views `scan_density`, the view
transform of its data, and `scan_crop`, in this order: see `configs/strl/pointpillars_kitti_pretrain_scans.py`. If the
data set aligns poses, `scan_density` follows `scan_load`, since it needs the LiDAR at the origin.
"""

# What the detector sees, a sector as wide as the camera's. It looks along the street, forward or back, up to 30 degrees
# to either side: straight to the side, a wall or a parked car often fills the sector.
scan_pair = [dict(type='DrawHeading', directions=[0.0, 3.14159265], max_angle=0.52359878)]
scan_load = [dict(type='CutToFieldOfView')]

# One view in four is one of 32 beams. The share of near points dropped is the paper's; from 40 m on none is.
scan_density = [
    dict(type='RandomDropBeams', every=[2], prob=0.25),
    dict(type='RandomDropByRange', max_ratio=0.7, far=40.0),
]

# The paper's shares, ratios and probabilities, but the crop keeps every height. The jitter is the paper's too.
scan_crop = [
    dict(type='RandomCropPointsXY', area=(0.6, 1.0), aspect_ratio=(0.75, 1.33), min_points=1024, prob=0.5),
    dict(type='RandomCutoutPoints', side=(0.1, 0.4), min_points=1024, prob=0.5),
    dict(type='RandomUniformJitterPoints', max_offset=0.05),
]
