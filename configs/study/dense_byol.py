"""Dense STRL: a vector for each of 48 regions a pair."""

_base_ = ['./pooled.py']

model = dict(encoder=dict(pool=dict(type='BEVRegions')))
views = dict(
    _base_.views,
    pair=[dict(type='DrawRegions', count=48, cell=(0.5, 0.5))],
    pack=[
        *_base_.views['pack'][:-1],
        dict(type='Pack3DDetInputs', keys=['points', 'gt_bboxes_3d', 'gt_labels_3d']),
    ],
)
train_dataloader = dict(dataset=dict(pipeline=[*_base_.scan_pair, views]))
