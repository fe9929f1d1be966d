"""What has moved in the other frame, and nothing hidden."""

_base_ = ['./occupancy_motion.py']

model = dict(heads=dict(occupancy=None), share=0.0)
