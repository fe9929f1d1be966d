"""What has moved, with things that have moved in other frames pasted into both frames.

The things: `python tools/collect_moved_things.py configs/study/motion.py --out $KITTI_RAW_ROOT/moved_things.npz`.
"""

_base_ = ['./motion.py']

views = dict(
    _base_.views,
    pair=[
        *_base_.views['pair'],
        dict(type='PasteMoved', things='{{$KITTI_RAW_ROOT:data/kitti_sim/raw}}/moved_things.npz', number=12),
    ],
)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.scan_pair, views]))
