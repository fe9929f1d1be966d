"""A small VoteNet on SUN RGB-D for studies on a CPU: what `tools/evaluate_pretraining.py` trains many times.

Data: $SUNRGBD_ROOT, as for VoteNet.
"""

_base_ = ['./votenet_sunrgbd_scratch.py', '../_base_/models/votenet_small.py']

model = _base_.small_votenet

train_pipeline = _base_.train_pipeline
test_pipeline = _base_.test_pipeline
for step in [*train_pipeline, *test_pipeline[1].transforms]:
    if 'num_points' in step:
        step.num_points = _base_.small_points
del step

# Two runs at once use two cores best without workers.
train_dataloader = dict(
    batch_size=4,
    num_workers=0,
    persistent_workers=False,
    dataset=dict(times=1, dataset=dict(pipeline=train_pipeline)),
)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

# Our choice: the stock rate is for batches of 128.
optim_wrapper = dict(optimizer=dict(lr=2e-3))
