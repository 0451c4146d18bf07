# Own images with sentences (docs/en/lavt.md): a released LAVT-One, converted, goes on learning on them. What differs
# from its own recipe is written here, all else is inherited.
_base_ = ['./lavt_one-swin-b_8xb4-40e_refcoco.py']

load_from = 'pretrained/lavt_one_refcoco.safetensors'
data_root = 'data/my_images'
max_epochs = 10
_vars_own_ = ['max_epochs', 'train_steps', 'test_steps']

train_steps = [
    dict(type='SampleLocalGlobalFrames', num_frames=1),  # of a video; an image has one
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='DrawExpression'),
    dict(type='ResizeClip', size=(480, 480), mask_resizer='pillow'),
    dict(type='CleanText'),
    dict(type='PackClip'),
]
test_steps = [
    dict(type='LoadFrames'),
    dict(type='LoadMasks'),
    dict(type='ResizeClip', size=(480, 480), resize_gt=False),
    dict(type='CleanText'),
    dict(type='PackClip'),
]

# Masks of the original size, windows and tokens as they should be where nothing has to equal the authors' scores.
model = dict(
    mask_space='original',
    backbone=dict(swin=dict(init_cfg=None)),  # every weight comes from load_from
    text_encoder=dict(pretrained=None, tokenizer=dict(keep_end=True, clean=True)))

train_cfg = dict(max_epochs=max_epochs, val_interval=1)
optim_wrapper = dict(optimizer=dict(lr=1e-5))
train_dataloader = dict(
    batch_size=4,
    drop_last=False,
    dataset=dict(
        _delete_=True, type='FolderDataset', data_root=data_root, split='train', unit='video', clip_length=1,
        pipeline=train_steps))
val_dataloader = dict(
    _delete_=True, batch_size=1, num_workers=0, collate_fn=dict(type='pseudo_collate'),
    sampler=dict(type='VideoSampler'),
    dataset=dict(
        type='FolderDataset', data_root=data_root, split='valid', unit='video', test_mode=True, clip_length=8,
        pipeline=test_steps))
test_dataloader = val_dataloader
val_evaluator = dict(type='IoUMetric', convention='lavt', prefix='valid')
test_evaluator = dict(type='IoUMetric', convention='lavt', prefix='test')
