"""Dense STRL with in-batch negatives."""

_base_ = ['./dense_byol.py']

model = dict(contrast=0.2)
