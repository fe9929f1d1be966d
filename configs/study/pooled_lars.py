"""STRL as the paper has it, with its optimizer too: LARS, by which a short run hardly moves."""

_base_ = ['./pooled.py']

optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='LARS', lr=0.2, momentum=0.9, weight_decay=1.5e-6, trust_coefficient=1e-3),
    clip_grad=None,
)
