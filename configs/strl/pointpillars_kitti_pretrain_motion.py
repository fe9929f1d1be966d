r"""PointPillars' whole trunk pre-trained by what has moved, with more things that move pasted in. Ours.

Of our recipes the one that a fine-tuned PointPillars was seen to gain by: docs/study.md. It needs drives with poses, and
the things that move in them, collected once:

    python tools/collect_moved_things.py configs/strl/pointpillars_kitti_pretrain_motion.py \
        --out $KITTI_RAW_ROOT/moved_things.npz
"""

_base_ = ['./pointpillars_kitti_pretrain_occupancy.py']

model = dict(heads=dict(occupancy=None), share=0.0)  # nothing is hidden
things = '{{$KITTI_RAW_ROOT:data/kitti_sim/raw}}/moved_things.npz'
views = dict(
    _base_.views,
    pair=[*_base_.views['pair'], dict(type='PasteMoved', things=things, number=12)],
    # The head compares no places of the two views, so they are turned, flipped and scaled as in the detector's training.
    augment=_base_.lidar_view_transform,
)
# Both views of a pair are learned from, so 4 pairs are a batch of 8 scans. Batch, rate and clipping are those of the run
# that was measured.
train_dataloader = dict(batch_size=4, dataset=dict(pipeline=[*_base_.scan_pair, views]))
optim_wrapper = dict(optimizer=dict(lr=3e-3), clip_grad=dict(max_norm=10))
train_cfg = dict(max_epochs=10)
