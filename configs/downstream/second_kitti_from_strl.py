"""mmdet3d's own SECOND on KITTI, from a pre-trained trunk. Data: $KITTI_ROOT, as for PV-RCNN."""

_base_ = ['mmdet3d::second/second_hv_secfpn_8xb6-80e_kitti-3d-3class.py']

custom_imports = dict(imports=['strl_mmdet3d'], allow_failed_imports=False)

data_root = '{{$KITTI_ROOT:data/kitti_sim/object}}/'

train_pipeline = _base_.train_pipeline
for step in train_pipeline:
    if step.type == 'ObjectSample':
        # The stock sampler stops where the labelled frames lack a class.
        info_path = data_root + 'kitti_dbinfos_train.pkl'
        step.db_sampler.update(type='FewLabelsSampler', data_root=data_root, info_path=info_path)
del step, info_path

train_dataloader = dict(dataset=dict(dataset=dict(data_root=data_root, pipeline=train_pipeline)))
val_dataloader = dict(dataset=dict(data_root=data_root))
test_dataloader = dict(dataset=dict(data_root=data_root))
val_evaluator = dict(ann_file=data_root + 'kitti_infos_val.pkl')
test_evaluator = val_evaluator

load_from = 'work_dirs/second_kitti_pretrain/encoder.pth'
custom_hooks = [dict(type='VerifyLoadHook')]
