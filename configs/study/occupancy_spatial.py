"""Masked occupancy of the frame itself, without time."""

_base_ = ['./occupancy.py']

model = dict(heads=dict(occupancy=dict(temporal=False)))
