# The fine-tuned model on TestSet/MCL.
_base_ = './isomer_swin-t_2xb8-600e_davis-fbms.py'

test_dataloader = dict(dataset=dict(split='MCL'))
