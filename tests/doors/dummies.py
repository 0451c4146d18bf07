"""Two small methods and a data set in memory that send every kind of item through the doors of the house."""

import hashlib

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import Dataset

from mmlvs.evaluation import VideoMetric
from mmlvs.models import VideoSegmentor
from mmlvs.registry import DATASETS, METRICS, MODELS
from mmlvs.structures import VideoSegDataSample

KINDS = ('image', 'track', 'key_frame', 'clips', 'no_expression', 'no_object', 'sizes')


@DATASETS.register_module()
class DummyClips(Dataset):
    """Bright squares on dark noise; ``kind`` says which kind of item, see ``KINDS`` ('sizes': every video has its
    own)."""

    def __init__(self, *, kind: str = 'track', videos: int = 4, clip_length: int = 3, with_text: bool = True) -> None:
        self.metainfo = dict(dataset='dummy')
        self.kind, self.with_text = kind, with_text
        frames = 1 if kind == 'image' else 7 if kind == 'clips' else 4
        length = clip_length if kind == 'clips' else frames
        self.items = [(v, list(range(start, min(start + length, frames))), frames)
                      for v in range(videos) for start in range(0, frames, length)]

    def __len__(self) -> int:
        return len(self.items)

    def video_of(self, index: int) -> str:
        return f'video{self.items[index][0]}'

    def cost_of(self, index: int) -> float:
        return float(len(self.items[index][1]))

    def texts(self) -> list[str]:
        return ['the bright square', 'the square']

    def __getitem__(self, index: int) -> dict:
        video, frames, total = self.items[index]
        rng = np.random.default_rng([getattr(index, 'seed', 0), getattr(index, 'epoch', 0), int(index)])
        height, width = (20 + 4 * video, 28 + 8 * video) if self.kind == 'sizes' else (20, 28)
        pixels = np.random.default_rng(video).integers(0, 60, (total, 3, height, width))[frames].astype(np.uint8)
        masks = np.zeros((1, len(frames), height, width), np.uint8)
        for t, frame in enumerate(frames):
            masks[0, t, 4 + frame:10 + frame, 5 + video:12 + video] = 1
        pixels = np.where(masks[0][:, None] > 0, np.uint8(200 + rng.integers(0, 20)), pixels)
        count = 0 if self.kind == 'no_expression' else 2 if self.with_text else 1
        sample = VideoSegDataSample(metainfo=dict(
            video_id=f'video{video}', frame_ids=[f'{f:05d}' for f in frames], num_frames=total, dataset='dummy',
            clip=dict(index=frames[0] // max(len(frames), 1), is_first=frames[0] == 0, is_last=frames[-1] == total - 1),
            key_frames=[1] if self.kind == 'key_frame' else None, texts=self.texts()[:count] if self.with_text else [],
            expression_ids=[str(n) for n in range(count)], object_ids=['1'], ori_shape=(height, width),
            img_shape=(height, width), scale_factor=(1.0, 1.0), flip=False))
        sample.gt_masks = torch.from_numpy(masks)
        sample.gt_objects = [[] if self.kind == 'no_object' else [0] for _ in range(count)]
        return dict(inputs=dict(img=torch.from_numpy(pixels)), data_samples=sample)


class _Dummy(VideoSegmentor):
    """What both dummies share: a pixel-wise logit and its loss."""

    def __init__(self, *, data_preprocessor: dict | None = None) -> None:
        super().__init__(data_preprocessor=data_preprocessor)
        self.head = nn.Conv2d(3, 1, 1)
        self.dropout = nn.Dropout(0.1)

    def pixel_logits(self, inputs) -> torch.Tensor:
        frames = inputs['img'].frames
        return self.head(self.dropout(frames.flatten(0, 1))).unflatten(0, frames.shape[:2])[:, :, 0]  # B T H W

    def _forward(self, inputs, data_samples=None):
        return self.rows(self.pixel_logits(inputs), data_samples)

    def loss(self, inputs, data_samples):
        logits = self._forward(inputs, data_samples)  # E T H W
        if len(logits) == 0:
            return dict(loss_mask=logits.sum() + 0 * self.head.weight.sum())
        rows = [(s, n) for s in data_samples for n in range(s.num_expressions)]
        terms = []
        for row, (sample, n) in zip(logits, rows, strict=True):
            target = sample.target(n)[sample.scored_frames].float()
            row = row[sample.scored_frames][:, :target.shape[-2], :target.shape[-1]]
            terms.append(F.binary_cross_entropy_with_logits(row, target))
        return dict(loss_mask=torch.stack(terms).mean())


@MODELS.register_module()
class FrameDummy(_Dummy):
    """Per frame, without text: one row a clip, and a soft map beside the mask."""

    def rows(self, logits, data_samples):
        return logits[self.clip_of(data_samples)]

    def predict(self, inputs, data_samples):
        codec = self.data_preprocessor.codec
        for logits, sample in zip(self.pixel_logits(inputs), data_samples, strict=True):
            height, width = sample.metainfo['ori_shape']
            maps = logits[sample.scored_frames][:, :height, :width].sigmoid()
            maps = maps[None].expand(sample.num_expressions, *maps.shape)
            sample.set_prediction(maps > 0.5, scores=maps.mean((-1, -2)))
            sample.pred_soft = (maps * 255).round().byte()
        assert codec.pad_divisor
        return data_samples


@MODELS.register_module()
class StatefulDummy(_Dummy):
    """With text and state: the logit of a frame is shifted by the number of frames this expression has seen."""

    def rows(self, logits, data_samples, seen=None):
        texts = self.texts_of(data_samples)
        shift = [int(hashlib.md5(text.encode()).hexdigest(), 16) % 3 / 10 for text in texts]
        rows = logits[self.clip_of(data_samples)] + logits.new_tensor(shift)[:, None, None, None]
        steps = torch.arange(logits.shape[1])[None] + torch.tensor(seen or [0] * len(texts))[:, None]  # E T
        return rows - 0.05 * steps[:, :, None, None].to(rows)

    def predict(self, inputs, data_samples):
        states = [self.state_of(sample) for sample in data_samples]
        seen = [state.get(i, 0) for sample, state in zip(data_samples, states, strict=True)
                for i in sample.metainfo['expression_ids']]
        rows = self.rows(self.pixel_logits(inputs), data_samples, seen)
        parts = rows.split([sample.num_expressions for sample in data_samples])
        for part, sample, state in zip(parts, data_samples, states, strict=True):
            height, width = sample.metainfo['ori_shape']
            maps = part[:, sample.scored_frames, :height, :width]
            sample.set_prediction(maps > 0, scores=maps.sigmoid().mean((-1, -2)))
            sample.state = {i: state.get(i, 0) + sample.num_clip_frames for i in sample.metainfo['expression_ids']}
        return data_samples


@METRICS.register_module()
class DummyIoU(VideoMetric):
    """Mean IoU over frames."""

    def score(self, sample):
        meta = sample.metainfo
        for n, expression in enumerate(meta['expression_ids']):
            target = sample.target(n)
            for k, frame in enumerate(sample.pred_frames):
                both = (sample.pred_masks[n, k] & target[frame]).sum()
                union = (sample.pred_masks[n, k] | target[frame]).sum()
                yield ((meta['video_id'], expression, meta['frame_ids'][frame]), float(both / union) if union else 1.0)

    def aggregate(self, records):
        return dict(iou=float(np.mean(list(records.values()))), frames=len(records))


def dummy_config(work_dir: str, *, model: str = 'StatefulDummy', kind: str = 'track', workers: int = 0, epochs: int = 2,
                 batch_size: int = 2, launcher: str = 'none', resume: bool = False) -> dict:
    """Settings of a run of a dummy, as a config file would give them."""
    data = dict(type='DummyClips', kind=kind, with_text=model == 'StatefulDummy')
    test_loader = dict(dataset=data, sampler=dict(type='VideoSampler'), batch_size=1, num_workers=workers)
    return dict(
        default_scope='mmlvs', work_dir=work_dir, launcher=launcher, resume=resume, randomness=dict(seed=3),
        model=dict(type=model, data_preprocessor=dict(type='ClipDataPreprocessor', codec=dict(pad_divisor=8))),
        train_dataloader=dict(dataset=data, sampler=dict(type='ClipSampler'), batch_size=batch_size,
                              num_workers=workers),
        val_dataloader=test_loader, test_dataloader=test_loader,
        train_cfg=dict(by_epoch=True, max_epochs=epochs, val_interval=1), val_cfg=dict(), test_cfg=dict(),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.05)),
        param_scheduler=dict(type='MultiStepLR', milestones=[1], gamma=0.5),
        val_evaluator=dict(type='DummyIoU'), test_evaluator=dict(type='DummyIoU'), log_level='ERROR',
        default_hooks=dict(checkpoint=dict(type='CheckpointHook', interval=1, max_keep_ckpts=2)))
