"""mmdet3d's own PV-RCNN on KITTI, from scratch, with the faults of the stock config corrected.

Data: $KITTI_ROOT, prepared by mmdet3d's `create_data.py kitti`. Without it, the simulated frames of `make demo`.
"""

_base_ = ['mmdet3d::pv_rcnn/pv_rcnn_8xb2-80e_kitti-3d-3class.py']

custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)

data_root = '{{$KITTI_ROOT:data/kitti_sim/object}}/'

# The stock pipeline asks for plane files, which KITTI does not come with; mmdet3d's other KITTI configs do without.
train_pipeline = _base_.train_pipeline
for step in train_pipeline:
    if step.type == 'ObjectSample':
        step.update(use_ground_plane=False)
        # The stock sampler stops where the labelled frames lack a class.
        info_path = data_root + 'kitti_dbinfos_train.pkl'
        step.db_sampler.update(type='FewLabelsSampler', data_root=data_root, info_path=info_path)
del step, info_path

# The stock config writes its metainfo under CLASSES, which nothing reads, and puts its validation pipeline under
# eval_dataloader, which nothing reads either.
metainfo = dict(_delete_=True, classes=_base_.class_names)
train_dataloader = dict(dataset=dict(dataset=dict(data_root=data_root, pipeline=train_pipeline, metainfo=metainfo)))
val_dataloader = dict(dataset=dict(data_root=data_root, pipeline=_base_.test_pipeline, metainfo=metainfo))
test_dataloader = val_dataloader
eval_dataloader = None
val_evaluator = dict(ann_file=data_root + 'kitti_infos_val.pkl')
test_evaluator = val_evaluator
