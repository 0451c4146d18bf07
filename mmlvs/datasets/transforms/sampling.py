"""Which frames of a video make a clip."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmlvs.datasets.transforms.compose import ClipTransform, Results
from mmlvs.registry import TRANSFORMS


@dataclass(frozen=True)
class GlobalDraw:
    """The draw of further frames: ``count`` without replacement from ``pool``, besides ``fixed``."""

    pool: tuple[int, ...]
    count: int
    fixed: tuple[int, ...] = ()


def local_frames(start: int, length: int, before: int, after: int) -> list[int]:
    """The start frame and its neighbours at distance ``before`` and ``after``, clamped to ``length`` frames."""
    return [start, max(0, start - before), min(length - 1, start + after)]


def global_draw(local: Sequence[int], length: int, count: int, *, repeat: bool = True) -> GlobalDraw:
    """How ``count`` further frames of a video are drawn around the local ones.

    The pool is every frame before the first local frame, and every frame from the last one on (which can come again). A
    pool not larger than ``count`` is replaced by the whole video; a video shorter than ``count`` gives all its frames
    as often as they go into ``count``, and the rest is drawn (the repair of LAVT-RS).

    Args:
        local: local frames.
        length: frames of the video.
        count: number of further frames.
        repeat: False: all frames are given once only, as the reference has it, which fails for very short videos.

    Raises:
        ValueError: ``repeat=False`` and the video is too short.
    """
    pool = (*range(min(local)), *range(max(local), length))
    if len(pool) > count:
        return GlobalDraw(pool, count)
    everything = tuple(range(length))
    if length >= count:
        return GlobalDraw(everything, count)
    times = count // length if repeat else 1
    rest = count - times * length
    if rest > length:
        raise ValueError(f'video of {length} frames: too short to draw {count} further frames; use repeat=True')
    return GlobalDraw(everything, rest, everything * times)


def local_global_frames(start: int, length: int, num_frames: int, rng: np.random.Generator, *, single: bool = True,
                        repeat: bool = True) -> list[int]:
    """Frames of a training clip, ascending: three local ones and others from the whole video.

    Core sampling of ReferFormer and its family: the start frame, one neighbour on each side at a distance of 1..3, then
    ``num_frames - 3`` others (:func:`global_draw`).

    Args:
        start: start frame.
        length: frames of the video.
        num_frames: frames of the clip.
        rng: source of the draws: two distances, then positions in the pool.
        single: one frame means the start frame itself; False: its earlier neighbour (A2D and Ref-DAVIS loaders).
        repeat: see :func:`global_draw`.
    """
    if num_frames == 1 and single:
        return [start]
    before, after = (int(rng.integers(1, 4)) for _ in range(2))
    frames = local_frames(start, length, before, after)
    if num_frames > 3:
        draw = global_draw(frames, length, num_frames - 3, repeat=repeat)
        positions = rng.choice(len(draw.pool), size=draw.count, replace=False)
        frames += [*draw.fixed, *(draw.pool[int(p)] for p in positions)]
    return sorted(frames)[:num_frames]


def centred_window(position: int, length: int, num_frames: int) -> list[int]:
    """Window of ``num_frames`` around ``position``, clamped to the video, ascending (A2D, JHMDB; all from 0)."""
    first = position - num_frames // 2
    return [min(max(p, 0), length - 1) for p in range(first, first + num_frames)]


def consecutive_frames(start: int, length: int, num_frames: int) -> list[int]:
    """``num_frames`` consecutive frames from ``start``; at the end of the video its last ones (MTTR).

    A video shorter than the clip gives all its frames and repeats the last one.
    """
    first = max(0, min(start, length - num_frames))
    return [min(p, length - 1) for p in range(first, first + num_frames)]


def take_frames(results: Results, positions: Sequence[int]) -> Results:
    """Keep the frames at ``positions`` of the listed ones, in this order.

    All become key frames; in a key-frame item (``results['key_frame']``) only the first occurrence of that frame.

    Raises:
        ValueError: the key frame is not among ``positions``.
    """
    key = results.get('key_frame')
    if key is not None and key not in positions:
        raise ValueError(f"video {results['video_id']!r}: the clip of frames {list(positions)} lacks the annotated "
                         f'frame {key}; take more frames, or SampleWindow')
    for name in ('frame_ids', 'frame_paths', 'frame_index'):
        results[name] = [results[name][p] for p in positions]
    results['key_frames'] = list(range(len(positions))) if key is None else [list(positions).index(key)]
    return results


def clip_frames(results: Results, num_frames: int | None) -> int:
    """Frames of a clip: as a transform says, or ``clip_length`` of the data set.

    Raises:
        ValueError: neither says it.
    """
    count = results.get('clip_length') if num_frames is None else num_frames
    if count is None:
        raise ValueError(f"video {results['video_id']!r}: the length of a clip is not given; set clip_length of the "
                         'data set, or num_frames of the transform that samples')
    return count


def _check_frames(num_frames: int | None) -> None:
    if num_frames is not None and num_frames < 1:
        raise ValueError(f'num_frames {num_frames}: expected at least 1')


@TRANSFORMS.register_module()
class SampleLocalGlobalFrames(ClipTransform):
    """Draws a training clip around ``results['start_frame']``: three local frames and others of the whole video.

    See :func:`local_global_frames` (ReferFormer, Ref-YouTube-VOS loader). A video shorter than the clip repeats frames.

    Args:
        num_frames: frames of the clip; None = ``clip_length`` of the data set.
        reverse_prob: probability of the clip running backwards (ReferDINO: 0.3).
        single: one frame is the start frame itself; see :func:`local_global_frames`.
        short_video: ``'repeat'`` frames of a video that is too short, or ``'error'`` as the reference.
    """

    def __init__(self, *, num_frames: int | None = None, reverse_prob: float = 0.0, single: bool = True,
                 short_video: str = 'repeat') -> None:
        _check_frames(num_frames)
        if short_video not in ('repeat', 'error'):
            raise ValueError(f"short_video {short_video!r}: expected 'repeat' or 'error'")
        self.num_frames, self.reverse_prob = num_frames, reverse_prob
        self.single, self.short_video = single, short_video

    def transform(self, results: Results) -> Results:
        """Narrow the listed frames to the clip."""
        rng, length = results['rng'], len(results['frame_ids'])
        try:
            frames = local_global_frames(results['start_frame'], length, clip_frames(results, self.num_frames), rng,
                                         single=self.single, repeat=self.short_video == 'repeat')
        except ValueError as error:
            raise ValueError(f"video {results['video_id']!r}: {error} (short_video='repeat')") from error
        if self.reverse_prob > 0 and rng.random() < self.reverse_prob:
            frames = frames[::-1]
        return take_frames(results, frames)


@TRANSFORMS.register_module()
class SampleClip(ClipTransform):
    """Takes ``num_frames`` consecutive frames from ``results['start_frame']``; see :func:`consecutive_frames`."""

    def __init__(self, *, num_frames: int) -> None:
        if num_frames < 1:
            raise ValueError(f'num_frames {num_frames}: expected at least 1')
        self.num_frames = num_frames

    def transform(self, results: Results) -> Results:
        """Narrow the listed frames to the clip."""
        length = len(results['frame_ids'])
        return take_frames(results, consecutive_frames(results['start_frame'], length, self.num_frames))


@TRANSFORMS.register_module()
class SampleSpreadFrames(ClipTransform):
    """Takes every n-th frame of the whole video from a drawn one on, n the smallest step that leaves at most
    ``num_frames``. A video of ``n * num_frames`` frames gives ``num_frames`` of them.

    Args:
        num_frames: most frames of the clip; a video of fewer frames is taken whole.
    """

    def __init__(self, *, num_frames: int) -> None:
        _check_frames(num_frames)
        self.num_frames = num_frames

    def transform(self, results: Results) -> Results:
        """Narrow the listed frames to the clip.

        Raises:
            ValueError: an item with one annotated frame, which the clip may lack.
        """
        if 'key_frame' in results:
            raise ValueError(f"SampleSpreadFrames: data set {results['dataset']!r} has one annotated frame per item; "
                             'take SampleWindow')
        length = len(results['frame_ids'])
        step = -(-length // self.num_frames)
        return take_frames(results, range(int(results['rng'].integers(step)), length, step))


@TRANSFORMS.register_module()
class SampleWindow(ClipTransform):
    """Takes the window around the start frame, clamped to the video; see :func:`centred_window` (A2D, JHMDB).

    Args:
        num_frames: frames of the clip; None = ``clip_length`` of the data set.
        key: which copy of an annotated frame that clamping repeated is predicted: the ``'first'`` (ReferFormer and its
            family, LAVT) or that in the ``'centre'`` of the window (MTTR).
    """

    def __init__(self, *, num_frames: int | None = None, key: str = 'first') -> None:
        _check_frames(num_frames)
        if key not in ('first', 'centre'):
            raise ValueError(f"key {key!r}: expected 'first' or 'centre'")
        self.num_frames, self.key = num_frames, key

    def transform(self, results: Results) -> Results:
        """Narrow the listed frames to the clip."""
        start, length, count = results['start_frame'], len(results['frame_ids']), clip_frames(results, self.num_frames)
        results = take_frames(results, centred_window(start, length, count))
        if self.key == 'centre' and 'key_frame' in results:
            results['key_frames'] = [count // 2]
        return results


@TRANSFORMS.register_module()
class DrawKeyFrames(ClipTransform):
    """Draws which frames of a training clip are predicted and scored; the others are seen by the backbone only.

    A clip of ``n`` frames is cut into ``num_key_frames`` stretches of (nearly) equal length and one frame is drawn from
    each, so that the key frames spread over the clip. What follows the backbone then costs K frames instead of n.

    Args:
        num_key_frames: K. A clip of fewer frames keeps all of its own.
    """

    def __init__(self, *, num_key_frames: int) -> None:
        if num_key_frames < 1:
            raise ValueError(f'num_key_frames {num_key_frames}: expected at least 1')
        self.num_key_frames = num_key_frames

    def transform(self, results: Results) -> Results:
        """Set ``key_frames``: positions in the clip, ascending."""
        if 'key_frame' in results:
            raise ValueError(f"DrawKeyFrames: data set {results['dataset']!r} has one annotated frame per item, which "
                             'is the key frame; leave this step out')
        length, rng = len(results['frame_ids']), results['rng']
        count = min(self.num_key_frames, length)
        cuts = [length * k // count for k in range(count + 1)]
        results['key_frames'] = [int(rng.integers(low, high)) for low, high in zip(cuts, cuts[1:], strict=False)]
        return results
