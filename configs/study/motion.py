"""What has moved in the other frame, and nothing hidden.

No head compares the views place by place, so they are turned, flipped and scaled, as in the detector's own training.
"""

_base_ = ['./occupancy_motion.py']

model = dict(heads=dict(occupancy=None), share=0.0)
views = dict(_base_.views, augment=_base_.lidar_view_transform)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.scan_pair, views]))
