"""The common core of all data sets of videos and expressions: which items there are, and how one is read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from mmlvs.datasets.frame_files import decode_frames
from mmlvs.datasets.mask_sources import MaskSource
from mmlvs.datasets.problems import refuse
from mmlvs.datasets.transforms.compose import Compose
from mmlvs.datasets.transforms.text import exchange_left_right

UNITS = ('expression', 'object', 'video')
Item = dict[str, Any]


@dataclass(frozen=True)
class Expression:
    """One sentence about a video.

    Attributes:
        expression_id: its id in the video.
        text: the raw sentence; None in data sets without sentences (one track for each video).
        object_ids: the 0..n objects it refers to; None = the file does not tell.
        noun_chunks: character spans of noun phrases in ``text``.
        info: whatever else the file says about it.
        key_frames: positions in the video of the frames that are annotated and scored; None = all.
    """

    expression_id: str
    text: str | None
    object_ids: tuple[str, ...] | None = None
    noun_chunks: tuple[tuple[int, int], ...] = ()
    info: dict = field(default_factory=dict)
    key_frames: tuple[int, ...] | None = None


@dataclass(frozen=True)
class VideoRecord:
    """What the annotation file says about one video; ``categories`` maps object ids to names.

    ``frame_ids`` None: the annotation does not list the frames; ``list_frames`` of the data set does when needed.
    """

    video_id: str
    frame_ids: tuple[str, ...] | None
    expressions: tuple[Expression, ...]
    categories: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ItemPlan:
    """One item: expressions (positions in the record) of a video and the frames ``start .. stop - 1``.

    In training only ``start`` counts: a sampling transform draws the frames of the clip around it.
    """

    video: int
    expressions: tuple[int, ...]
    start: int
    stop: int
    clip: int = 0
    num_clips: int = 1


class VideoExpressionDataset(Dataset, ABC):
    """Videos with expressions, as items of one clip with all the expressions asked about it.

    Training (``test_mode=False``): every group of expressions (``unit``) of a video, in file order, gives one item for
    each start frame 0, s, 2s, ... of the sorted frames, s = ``stride`` or ``clip_length``; the pipeline samples the
    clip around that frame. With ``unit='expression'`` this is the list of ReferFormer and its family (Ref-YouTube-VOS
    loader). When no frame of the transformed item shows an object that it asks for, another item is drawn at random, at
    most ``max_retries`` times; with ``keep_empty`` only when no frame of it is annotated. All draws of an item come
    from ``numpy.random.default_rng([seed, epoch, index, retry])``.

    Testing (``test_mode=True``): every group of expressions of a video is a track: the whole video as one clip, or
    consecutive clips of ``clip_length`` frames, the last one shorter. Frames keep the order of the file, all are key
    frames, or those that the expressions name.

    Key-frame items (``key_frame_items``; A2D, JHMDB, images): training and testing give one item for each group of
    expressions and each frame annotated for one of them, with the expressions annotated there. All frames of the video
    are listed with ``key_frame`` as the annotated one; a sampling transform takes the clip around it. Masks are read
    for that frame alone.

    Args:
        data_root: folder of the data set.
        split: name of the split.
        pipeline: transforms, as dicts or callables, from the ``results`` dict to the item.
        unit: ``'expression'``, ``'object'`` (expressions with the same objects together) or ``'video'`` (all of them);
            None = ``'expression'`` in training and ``'video'`` in testing.
        clip_length: frames of a clip; None = whole video (one item per group).
        stride: step between start frames in training, if it is not ``clip_length``.
        test_mode: see above.
        with_masks: True: masks are read and must exist; False: never; ``'auto'``: read when the split has them.
        seed: seed of the draws for plain indices; a ``ClipIndex`` of our samplers brings its own.
        max_retries: upper bound of the redraws of an item that shows no target.
        limit: keep only the first ``limit`` videos.

    Raises:
        FileNotFoundError: an annotation file or a folder is missing.
        ValueError: a setting or an annotation is wrong; the message names the file and the remedy.
    """

    name = 'videos with expressions'
    key_frame_items = False
    keep_empty = False
    """Whether items in which nothing is to be found are trained on, as data sets without sentences do."""
    sort_training_frames = True

    def __init__(self, *, data_root: str | Path, split: str = 'train', pipeline: Sequence[dict | Callable] = (),
                 unit: str | None = None, clip_length: int | None = None, stride: int | None = None,
                 test_mode: bool = False, with_masks: bool | str = 'auto', seed: int = 0, max_retries: int = 100,
                 limit: int | None = None) -> None:
        unit = unit or ('video' if test_mode else 'expression')
        if unit not in UNITS:
            raise ValueError(f'unit {unit!r}: expected one of {UNITS}')
        for key, value in dict(clip_length=clip_length, stride=stride, limit=limit).items():
            if value is not None and value < 1:
                raise ValueError(f'{key} {value}: expected at least 1, or None')
        if test_mode and stride is not None:
            raise ValueError('stride is for training only: test clips follow each other without gap or overlap')
        if with_masks not in (True, False, 'auto'):
            raise ValueError(f"with_masks {with_masks!r}: expected True, False or 'auto'")
        if not test_mode and with_masks is False:
            raise ValueError('with_masks=False in training: set test_mode=True, or read the masks')
        self.data_root, self.split = Path(data_root), split
        self.unit, self.clip_length, self.stride, self.test_mode = unit, clip_length, stride, test_mode
        self.seed, self.max_retries = seed, max_retries
        self._sizes: dict[str, tuple[int, int]] = {}
        records = self.load_videos()
        self.videos = [video for record in records[:limit] if (video := self._check(record)) is not None]
        if not self.videos:
            raise ValueError(f'{self.name}: split {split!r} under {self.data_root} lists no video')
        self.with_masks = self._decide_masks(with_masks)
        self.items = [plan for v, video in enumerate(self.videos) for plan in self._plan(v, video)]
        self.pipeline = Compose(pipeline)

    # ---------------------------------------------------------------- what a reader supplies

    @abstractmethod
    def load_videos(self) -> list[VideoRecord]:
        """All videos of the split, in file order."""

    @abstractmethod
    def frame_path(self, video_id: str, frame_id: str) -> Path:
        """The image file of one frame."""

    @abstractmethod
    def mask_source(self) -> MaskSource | None:
        """Where masks come from; None when the split has none."""

    def extra_results(self, video: VideoRecord, positions: Sequence[int]) -> dict[str, Any]:
        """Further entries of the ``results`` dict of a clip, whose frames stand at ``positions`` of the record."""
        return {}

    def frame_size(self, video_id: str) -> tuple[int, int]:
        """(height, width) of a video: of its first frame."""
        if video_id not in self._sizes:
            video = next(video for video in self.videos if video.video_id == video_id)
            path = str(self.frame_path(video_id, self.frame_ids_of(video)[0]))
            self._sizes[video_id] = decode_frames([path])[path].shape[:2]
        return self._sizes[video_id]

    def list_frames(self, video_id: str) -> Sequence[str]:
        """Names of the frames of a video whose record does not list them."""
        raise NotImplementedError(f'{type(self).__name__} has records without frames and must define list_frames')

    def frame_ids_of(self, video: VideoRecord) -> Sequence[str]:
        """Names of the frames of a video, in the order of the file."""
        return self.list_frames(video.video_id) if video.frame_ids is None else video.frame_ids

    # ---------------------------------------------------------------- the list of items

    def _check(self, video: VideoRecord) -> VideoRecord | None:
        where = f'{self.name}, split {self.split!r}, video {video.video_id!r}'
        for complaint in _complaints(video):
            refuse(ValueError(f'{where}: {complaint}'))
        return video if video.expressions and (video.frame_ids is None or video.frame_ids) else None

    def _decide_masks(self, with_masks: bool | str) -> bool:
        if with_masks is False:
            return False
        nameless = next((f'expression {e.expression_id!r} of video {v.video_id!r}' for v in self.videos
                         for e in v.expressions if e.object_ids is None), None)
        reason = f'{nameless} does not name its object' if nameless else None
        if self.mask_source() is None:
            reason = 'it has no folder of masks'
        if reason and (with_masks is True or not self.test_mode):
            raise ValueError(f'{self.name}: masks of split {self.split!r} under {self.data_root} are required '
                             f"(training, or with_masks=True), but {reason}; add them, or test with with_masks='auto'")
        return reason is None

    def _plan(self, v: int, video: VideoRecord) -> list[ItemPlan]:
        if self.key_frame_items:
            return [ItemPlan(v, tuple(e for e in group if frame in video.expressions[e].key_frames), frame, frame + 1)
                    for group in self._groups(video)
                    for frame in sorted({f for e in group for f in video.expressions[e].key_frames})]
        length = len(self.frame_ids_of(video))
        step = self.clip_length or length
        plans = []
        for group in self._groups(video):
            if self.test_mode:
                starts = range(0, length, step)
                plans += [ItemPlan(v, group, s, min(s + step, length), c, len(starts)) for c, s in enumerate(starts)]
            else:
                plans += [ItemPlan(v, group, s, length) for s in start_frames(length, self.stride or step)]
        return plans

    def _groups(self, video: VideoRecord) -> list[tuple[int, ...]]:
        if self.unit == 'video':
            return [tuple(range(len(video.expressions)))]
        if self.unit == 'expression':
            return [(e,) for e in range(len(video.expressions))]
        groups: dict[tuple[str, ...] | None, list[int]] = {}
        for e, expression in enumerate(video.expressions):
            groups.setdefault(expression.object_ids, []).append(e)
        return [tuple(group) for group in groups.values()]

    def __len__(self) -> int:
        return len(self.items)

    @property
    def metainfo(self) -> dict[str, Any]:
        """Name, split and item unit of the data set."""
        return dict(dataset=self.name, split=self.split, unit=self.unit)

    def texts(self, *, exchanged: bool = False) -> list[str]:
        """All expressions in order, raw, for building a vocabulary.

        Args:
            exchanged: append the sentences that a horizontal flip writes (left and right exchanged), so that a
                vocabulary also knows a word that only occurs after a flip.
        """
        texts = [e.text for video in self.videos for e in video.expressions if e.text is not None]
        if exchanged:
            known = set(texts)
            texts += [other for other in (exchange_left_right(t)[0] for t in texts) if other not in known]
        return texts

    def video_of(self, index: int) -> str:
        """Id of the video that item ``index`` belongs to."""
        return self.videos[self.items[index].video].video_id

    def cost_of(self, index: int) -> int:
        """Frames that item ``index`` reads: those of its clip."""
        plan = self.items[index]
        if self.key_frame_items:
            return self.clip_length or 1
        if self.test_mode:
            return plan.stop - plan.start
        return min(self.clip_length or plan.stop, plan.stop)

    # ---------------------------------------------------------------- one item

    def __getitem__(self, index: int) -> Item:
        """Item of an index; a ``ClipIndex`` carries the epoch and the seed of its draws."""
        return self.get_item(int(index), epoch=getattr(index, 'epoch', 0), seed=getattr(index, 'seed', None))

    def get_item(self, index: int, epoch: int = 0, seed: int | None = None) -> Item:
        """Item ``index`` as drawn in ``epoch`` under ``seed`` (None = that of the data set).

        Raises:
            IndexError: there is no such item.
            RuntimeError: no drawn item showed a target (training).
        """
        if not -len(self) <= index < len(self):
            raise IndexError(f'item {index} of {len(self)} items of {self.name}, split {self.split!r}')
        index %= len(self)
        seed = self.seed if seed is None else seed
        tried = []
        for retry in range(1 if self.test_mode else self.max_retries + 1):
            rng = np.random.default_rng([seed, epoch, index, retry])
            drawn = index if retry == 0 else int(rng.integers(len(self)))
            item = self.pipeline(self.results_of(drawn, rng))
            if self.test_mode or (is_annotated(item) if self.keep_empty else shows_target(item)):
                return item
            tried.append(self.video_of(drawn))
        names = ', '.join(dict.fromkeys(tried))
        raise RuntimeError(f'{self.name}, split {self.split!r}: none of {len(tried)} drawn items shows a target object '
                           f'after the transforms (item {index}, epoch {epoch}; videos {names}). Check that masks '
                           'carry the object ids of the expressions, or raise max_retries')

    def results_of(self, index: int, rng: np.random.Generator) -> dict[str, Any]:
        """The ``results`` dict of item ``index`` as the pipeline receives it."""
        plan = self.items[index]
        video = self.videos[plan.video]
        expressions = [video.expressions[e] for e in plan.expressions]
        object_ids = list(dict.fromkeys(o for e in expressions for o in e.object_ids or ()))
        frame_ids, span = list(self.frame_ids_of(video)), range(plan.start, plan.stop)
        num_frames = len(frame_ids)
        if self.key_frame_items:
            if plan.start >= num_frames:
                raise ValueError(f'{self.name}, video {video.video_id!r}: frame {plan.start} (from 0) is annotated, '
                                 f'but the video has {num_frames} frames; unpack or extract it again')
            span, extra = range(num_frames), dict(key_frame=plan.start)
        else:
            extra = {}
            if not self.test_mode:
                frame_ids = sorted(frame_ids) if self.sort_training_frames else frame_ids
                span = range(num_frames)
        frame_ids = [frame_ids[t] for t in span]
        last = plan.num_clips - 1
        return dict(
            **extra,
            **self.extra_results(video, [*span]),
            video_id=video.video_id,
            frame_ids=frame_ids,
            frame_paths=[str(self.frame_path(video.video_id, f)) for f in frame_ids],
            frame_index=list(span),
            start_frame=plan.start,
            num_frames=num_frames,
            clip_length=self.clip_length,
            clip=dict(index=plan.clip, is_first=plan.clip == 0, is_last=plan.clip == last),
            key_frames=self._key_frames(plan, expressions, span),
            texts=[e.text for e in expressions if e.text is not None],
            expression_ids=[e.expression_id for e in expressions],
            expressions_info=[dict(e.info) for e in expressions],
            noun_chunks=[list(e.noun_chunks) for e in expressions if e.text is not None],
            object_ids=object_ids,
            object_categories=[video.categories.get(o) for o in object_ids],
            gt_objects=[[object_ids.index(o) for o in e.object_ids or ()] for e in expressions],
            mask_source=self.mask_source() if self.with_masks else None,
            dataset=self.name,
            rng=rng,
            flip=False,
        )


    def _key_frames(self, plan: ItemPlan, expressions: Sequence[Expression], span: range) -> list[int]:
        if self.key_frame_items:
            return [plan.start]
        if any(e.key_frames is None for e in expressions) or not self.test_mode:
            return list(range(len(span)))
        wanted = {f for e in expressions for f in e.key_frames}
        return [t for t, frame in enumerate(span) if frame in wanted]


def _complaints(video: VideoRecord) -> Iterator[str]:
    if video.frame_ids is not None and not video.frame_ids:
        yield 'lists no frames; remove the video from the annotation file or add them'
    if not video.expressions:
        yield 'has no expression; remove the video from the annotation file or add one'
    for expression in video.expressions:
        if expression.text is not None and not expression.text.strip():
            yield f'expression {expression.expression_id!r} is empty; correct or remove it'
        for start, end in expression.noun_chunks:
            if not 0 <= start < end <= len(expression.text or ''):
                yield (f'noun chunk {start}..{end} of expression {expression.expression_id!r} does not lie in its '
                       f'{len(expression.text or "")} characters')


def start_frames(length: int, stride: int) -> list[int]:
    """Start frames 0, stride, 2 stride, ... of the training items of a video of ``length`` frames."""
    return list(range(0, length, stride))


def shows_target(item: Item) -> bool:
    """Whether some frame of an item (or of a ``results`` dict) shows an object it asks for; True if it asks for none.

    Raises:
        ValueError: the pipeline loads no masks, so that a training item cannot be judged.
    """
    sample = item.get('data_samples', item)
    valid = sample.get('gt_valid')
    if valid is None:
        raise ValueError('a training item carries no gt_valid: the pipeline needs LoadMasks, and PackClip as last step')
    return bool(valid.any()) or not any(len(objects) for objects in sample.get('gt_objects'))


def is_annotated(item: Item) -> bool:
    """Whether some frame of an item (or of a ``results`` dict) has ground truth, be it that nothing is there.

    Raises:
        ValueError: the pipeline loads no masks.
    """
    annotated = item.get('data_samples', item).get('gt_annotated')
    if annotated is None:
        raise ValueError('a training item carries no gt_annotated: the pipeline needs LoadMasks, and PackClip as last '
                         'step')
    return bool(annotated.any())
