"""Clips and sentences made from numbers alone, for tools that measure a model without any data."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch

from mmlvs.structures import VideoSegDataSample

WORDS = ('the', 'small', 'large', 'red', 'blue', 'green', 'dog', 'cat', 'person', 'car', 'left', 'right', 'moving',
         'turning', 'near', 'behind')


def synthetic_texts(number: int, words: int = 8) -> list[str]:
    """``number`` different sentences of ``words`` words each.

    Raises:
        ValueError: fewer than one word, or more sentences than can differ.
    """
    if words < 1 or number > len(WORDS) ** min(words, 4):
        raise ValueError(f'cannot make {number} different sentences of {words} words; ask for more words')
    texts = []
    for n in range(number):
        digits = [n // len(WORDS) ** k % len(WORDS) for k in range(min(words, 4))]  # differ for different n
        tail = [WORDS[(n + k) % len(WORDS)] for k in range(words - len(digits))]
        texts.append(' '.join([WORDS[d] for d in digits] + tail))
    return texts


def synthetic_video(*, shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """A textured background that pans, and a rectangle of another texture that moves the other way.

    Args:
        shape: T, H, W of the video.
        seed: of the textures.

    Returns:
        (T, H, W, 3) uint8 RGB.
    """
    frames, height, width = shape
    rng = np.random.default_rng(seed)
    noise = rng.random((2, height, width, 3), dtype=np.float32)
    behind, texture = (cv2.normalize(cv2.GaussianBlur(image, (0, 0), 2), None, low, low + 150, cv2.NORM_MINMAX)
                       for image, low in zip(noise, (0, 100), strict=True))
    step, tall, wide = max(1, width // 200), max(1, height // 2), max(1, width // 3)
    video = np.empty((frames, height, width, 3), np.uint8)
    for t in range(frames):
        video[t] = np.roll(behind, -t * step, axis=1)
        left = 2 * t * step % max(1, width - wide)
        video[t, height // 4:height // 4 + tall, left:left + wide] = texture[:tall, :wide]
    return video


def synthetic_item(*, shape: tuple[int, int, int], texts: Sequence[str], seed: int = 0, clip: int = 0,
                   num_clips: int = 1, video_id: str = 'synthetic') -> dict:
    """One item: noise, and a bright rectangle that moves to the right and is meant by all sentences.

    Args:
        shape: T, H, W of the clip, as the network gets it.
        texts: the N sentences.
        seed: of the noise.
        clip: number of the clip in its video.
        num_clips: clips of the video, all of the same length.
        video_id: name of the video.

    Returns:
        ``inputs`` (stream ``img``, (T, 3, H, W) uint8) and a :class:`VideoSegDataSample` with ground truth.
    """
    frames, height, width = shape
    rng = np.random.default_rng([seed, clip])
    pixels = rng.integers(0, 160, (frames, 3, height, width), dtype=np.uint8)
    masks = torch.zeros((1, frames, height, width), dtype=torch.uint8)
    boxes = torch.zeros((1, frames, 4))
    top, tall, wide = height // 4, max(1, height // 2), max(1, width // 3)
    for t in range(frames):
        left = (clip * frames + t) * max(1, width // 50) % max(1, width - wide)
        masks[0, t, top:top + tall, left:left + wide] = 1
        boxes[0, t] = torch.tensor([left, top, left + wide, top + tall])
    pixels[masks[0, :, None].expand(-1, 3, -1, -1).numpy() > 0] += 95
    sample = VideoSegDataSample(metainfo=dict(
        video_id=video_id, frame_ids=[f'{clip * frames + t:05d}' for t in range(frames)], num_frames=frames * num_clips,
        clip=dict(index=clip, is_first=clip == 0, is_last=clip == num_clips - 1), key_frames=list(range(frames)),
        texts=list(texts), expression_ids=[str(n) for n in range(len(texts))], object_ids=['1'],
        ori_shape=(height, width), img_shape=(height, width), scale_factor=(1.0, 1.0), flip=False, dataset='synthetic'))
    sample.set_data(dict(
        gt_masks=masks, gt_boxes=boxes, gt_valid=torch.ones((1, frames), dtype=torch.bool),
        gt_labels=torch.zeros(1, dtype=torch.int64), gt_ignore=torch.zeros((frames, height, width), dtype=torch.bool),
        gt_annotated=torch.ones(frames, dtype=torch.bool), gt_objects=[[0] for _ in texts]))
    return dict(inputs=dict(img=torch.from_numpy(pixels)), data_samples=sample)
