# Zero-shot pre-training on YouTube-VOS as downloaded, objects merged, flow images in train/Flow/<video>/<frame>.png;
# validated on DAVIS-16 as downloaded, flow images in Flow/480p/<sequence>/<frame>.png.
_base_ = ['./zero_shot.py']
_vars_youtube_vos_ = ['youtube_vos_root', 'davis_root']
youtube_vos_root = 'data/youtube-vos'
davis_root = 'data/davis2016'

train_dataloader = dict(
    dataset=dict(
        _delete_=True, type='YouTubeVOSDataset', data_root=youtube_vos_root, split='train', merge=True, flow='Flow',
        clip_length=1, stride=1, pipeline={{_base_.train_pipeline}}))
val_dataloader = dict(
    dataset=dict(
        _delete_=True, type='DAVIS16Dataset', data_root=davis_root, split='val', flow='Flow/480p', test_mode=True,
        with_masks=True, clip_length=16, pipeline={{_base_.test_pipeline}}))
test_dataloader = val_dataloader
