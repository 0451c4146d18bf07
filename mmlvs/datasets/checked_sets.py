"""The data sets that can be checked by name: their splits, files, known counts, and what only they can have wrong."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mmlvs.datasets.a2d_sentences import A2DSentencesDataset
from mmlvs.datasets.base import VideoExpressionDataset
from mmlvs.datasets.checking import SplitReport
from mmlvs.datasets.davis import DAVIS16Dataset, DAVIS17Dataset
from mmlvs.datasets.folder import FolderDataset
from mmlvs.datasets.jhmdb_sentences import JHMDBSentencesDataset
from mmlvs.datasets.locater_sets import SUBSETS, LocaterDataset, subset_paths
from mmlvs.datasets.long_rvos import LongRVOSDataset, motion_file, read_frame_types
from mmlvs.datasets.mask_sources import IndexPNG
from mmlvs.datasets.mevis import MeViSDataset
from mmlvs.datasets.problems import REFUSED
from mmlvs.datasets.ref_davis import RefDAVISDataset
from mmlvs.datasets.ref_youtube_vos import RefYouTubeVOSDataset, videos_of
from mmlvs.datasets.refcoco import SPLIT_BY, RefCOCODataset, read_references
from mmlvs.datasets.revos import ReVOSDataset, annotation_file, parts_of
from mmlvs.datasets.rle_masks import RLEMasks, read_mask_dict
from mmlvs.datasets.youtube_vos import YouTubeVOSDataset
from mmlvs.datasets.zero_shot import ZeroShotDataset

Build = Callable[[], VideoExpressionDataset]
Further = Callable[[VideoExpressionDataset, SplitReport], None]
Counts = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class CheckedSet:
    """How a set is checked.

    Attributes:
        name: as on the command line; ``aliases`` are other names for it.
        parts: root -> split -> function that builds it in test mode; the splits whose annotations are on disk.
        frames: root, split -> folder of the frames; a split without it is left out, unless it is asked for.
        files: root, split -> JSON files.
        counts: split -> what is known of the whole set; several numbers are those of its versions.
        further: checks that only this set needs.
        disjoint: a video belongs to one split.
    """

    name: str
    parts: Callable[[Path], dict[str, Build]]
    aliases: tuple[str, ...] = ()
    frames: Callable[[Path, str], Path] | None = None
    files: Callable[[Path, str], list[Path]] = lambda root, split: []
    counts: Mapping[str, Counts] = field(default_factory=dict)
    further: Further | None = None
    disjoint: bool = False


def _splits(cls: type, names: tuple[str, ...], file: str, **settings: object) -> Callable[[Path], dict[str, Build]]:
    """Splits whose ``file`` (with ``{split}``) is on disk."""
    def parts(root: Path) -> dict[str, Build]:
        return {split: partial(cls, data_root=root, split=split, test_mode=True, **settings) for split in names
                if (root / file.format(split=split)).is_file()}
    return parts


# ------------------------------------------------------------------------------------------ what only one set has


def _ref_youtube_vos(dataset: VideoExpressionDataset, report: SplitReport) -> None:
    """Objects of expressions are in ``meta.json``."""
    file = dataset.data_root / dataset.split / 'meta.json'
    if not file.is_file():
        return
    known = {video: entry.get('objects', {}) for video, entry in videos_of(file).items()}
    for video in dataset.videos:
        if video.video_id not in known:
            report.add('id', video.video_id, f'{file}: lacks video {video.video_id!r}, which has expressions')
            continue
        for expression in video.expressions:
            strange = [o for o in expression.object_ids or () if o not in known[video.video_id]]
            if strange:
                report.add('id', video.video_id, f'{file}: video {video.video_id!r} has no object {strange}, which '
                                                 f'expression {expression.expression_id!r} names')


def _instances(dataset: VideoExpressionDataset, report: SplitReport) -> None:
    """Lists of codes fit the videos, each instance belongs to one video."""
    source = dataset.mask_source()
    if not isinstance(source, RLEMasks):
        return
    owner: dict[str, str] = {}
    for video in dataset.videos:
        for instance in dict.fromkeys(o for e in video.expressions for o in e.object_ids or ()):
            first = owner.setdefault(instance, video.video_id)
            if first != video.video_id:
                report.add('id', video.video_id, f'{source.file}: instance {instance!r} is named by videos {first!r} '
                                                 f'and {video.video_id!r}; each has its own')
            elif instance in source and source.length_of(instance) != len(video.frame_ids):
                report.add('count', video.video_id, f'{source.file}: instance {instance!r} has codes for '
                           f'{source.length_of(instance)} frames, video {video.video_id!r} has {len(video.frame_ids)}')


def _revos(dataset: VideoExpressionDataset, report: SplitReport) -> None:
    """As for MeViS; sizes told by the annotation file; foreground codes."""
    _instances(dataset, report)
    entries = videos_of(annotation_file(dataset.data_root, dataset.split))
    for video in dataset.videos:
        told = tuple(entries[video.video_id].get(key) for key in ('height', 'width'))
        size = dataset._sizes.get(video.video_id)
        if None not in told and size is not None and tuple(size) != told:
            report.add('size', video.video_id, f'video {video.video_id!r}: the annotation file tells the size {told} '
                                               f'(height, width), its frames have {tuple(size)}')
    file = dataset.data_root / 'mask_dict_foreground.json'
    if not file.is_file():
        report.notes.append(f'{file}: is missing; the robustness score needs it')
        return
    foreground = read_mask_dict(file)
    for video in dataset.videos:
        if video.video_id not in foreground:
            report.add('missing mask', video.video_id, f'{file}: lacks video {video.video_id!r}')
            continue
        frames = foreground[video.video_id]['masks_rle']
        if len(frames) != len(video.frame_ids):
            report.add('count', video.video_id, f'{file}: {len(frames)} frames of video {video.video_id!r}, which has '
                                                f'{len(video.frame_ids)}')
        sizes = {tuple(code['size']) for frame in frames for code in parts_of(frame)}
        if sizes - {tuple(dataset._sizes.get(video.video_id, next(iter(sizes), ())))}:
            report.add('size', video.video_id, f'{file}: codes of size {sorted(sizes)} in video {video.video_id!r}, '
                                               f'whose frames have {dataset._sizes.get(video.video_id)}')


def _long_rvos(dataset: VideoExpressionDataset, report: SplitReport) -> None:
    """Kinds of frames and motion vectors, if the split has them."""
    import numpy as np
    try:
        types = read_frame_types(dataset.data_root, dataset.split)
    except FileNotFoundError as error:
        report.notes.append(str(error))
        return
    for video in dataset.videos:
        length = len(video.frame_ids)
        if len(types.get(video.video_id, ())) != length:
            report.add('count', video.video_id, f'motions/{dataset.split}/frame_types.json: '
                       f'{len(types.get(video.video_id, ()))} frames of video {video.video_id!r}, which has {length}')
        file = motion_file(dataset.data_root, dataset.split, video.video_id)
        if not file.is_file():
            report.add('missing video', video.video_id, f'{file}: motion vectors are missing; unpack them')
            continue
        try:
            shape = np.load(file, mmap_mode='r').shape
        except ValueError as error:
            report.add('unreadable', video.video_id, f'{file}: is no array ({error}); unpack it again')
            continue
        height, width = dataset._sizes.get(video.video_id, (0, 0))
        if height and tuple(shape) != (length, 2, -(-height // 16), -(-width // 16)):
            report.add('size', video.video_id, f'{file}: array of shape {tuple(shape)}, expected '
                       f'{(length, 2, -(-height // 16), -(-width // 16))} (frames, 2, height / 16, width / 16)')


def _ref_davis(dataset: VideoExpressionDataset, report: SplitReport) -> None:
    """Every annotated frame has its image: the frames of a raw download are what lies in its folders."""
    source = dataset.mask_source()
    for video in dataset.videos if isinstance(source, IndexPNG) else ():
        folder = source.file_of(video.video_id, video.frame_ids[0]).parent
        for name in sorted({file.stem for file in folder.glob('*.png')} - set(video.frame_ids)):
            report.add('missing frame', video.video_id, f'{dataset.frame_path(video.video_id, name)}: is missing, but '
                                                        'the frame is annotated; unpack the video again')


def _index_values(dataset: VideoExpressionDataset, report: SplitReport) -> None:
    """Later objects of DAVIS-17, which nothing scores."""
    import numpy as np

    from mmlvs.io import read_index_png
    source = dataset.mask_source()
    if not isinstance(source, IndexPNG):
        return
    for video in dataset.videos:
        known = {int(o) for e in video.expressions for o in e.object_ids or ()} | {0, 255}
        files = [file for f in video.frame_ids if (file := source.file_of(video.video_id, f)).is_file()]
        later = sorted({int(value) for file in files for value in np.unique(read_index_png(file))} - known)
        if later:
            report.notes.append(f'video {video.video_id!r}: objects {later} are not in the first annotated frame and '
                                'never scored')


# ------------------------------------------------------------------------------------------ the table


def _zero_shot_parts(root: Path) -> dict[str, Build]:
    """Every folder that holds sequences with ``Frame``; ``flow`` is asked for where some sequence has it."""
    parts = {}
    for folder in sorted(f for f in root.iterdir() if f.is_dir()) if root.is_dir() else ():
        if any(folder.glob('*/Frame')):
            parts[folder.name] = partial(ZeroShotDataset, data_root=root, split=folder.name, test_mode=True,
                                         flow=any(folder.glob('*/Flow')))
    return parts


def _revos_parts(root: Path) -> dict[str, Build]:
    return {split: partial(ReVOSDataset, data_root=root, split=split, test_mode=True) for split in ('train', 'valid')
            if annotation_file(root, split).is_file()}


def _davis16_parts(root: Path) -> dict[str, Build]:
    return {split: partial(DAVIS16Dataset, data_root=root, split=split, test_mode=True)
            for split in ('train', 'val', 'trainval')
            if any((root / 'ImageSets' / folder / f'{split}.txt').is_file() for folder in ('480p', '2016'))}


def _folder_parts(root: Path) -> dict[str, Build]:
    return {file.stem: partial(FolderDataset, data_root=root, split=file.stem, test_mode=True)
            for file in sorted(root.glob('*.json')) if _lists_videos(file)}


def _lists_videos(file: Path) -> bool:
    """Whether a JSON file is one of own videos; one that cannot be read counts, so that its reader says why."""
    try:
        content = json.loads(file.read_text(encoding='utf-8'))
    except (json.JSONDecodeError, UnicodeDecodeError):
        return True
    return isinstance(content, dict) and not {'videos', 'images'}.isdisjoint(content)


def _meta(root: Path, split: str) -> list[Path]:
    return [root / split / name for name in ('meta_expressions.json', 'mask_dict.json', 'meta.json')]


def _refer_parts(divisions: tuple[tuple[str, str], ...], root: Path) -> dict[str, Build]:
    """Every split that a pickle names, as ``<set>/<split-by>/<split>``, or that has a COCO-style file (these follow the
    customary division)."""
    parts: dict[str, Build] = {}
    for subset, by in divisions:
        build = partial(RefCOCODataset, data_root=root, subset=subset, split_by=by, test_mode=True)
        file = root / subset / f'refs({by}).p'
        if file.is_file():
            try:
                splits = sorted({str(reference['split']) for reference in read_references(file)})
            except REFUSED:
                splits = ['train']  # the reader says what is wrong
            parts |= {f'{subset}/{by}/{split}': partial(build, split=split, form='refer') for split in splits}
    for subset in (subset for subset, by in divisions if by == SPLIT_BY[subset][0]):
        for file in sorted((root / subset).glob(f'instances_{subset}_*.json')):
            split = file.stem.rpartition('_')[2]
            parts[f'{subset}/coco/{split}'] = partial(RefCOCODataset, data_root=root, subset=subset, split=split,
                                                      form='coco', test_mode=True)
    return parts


def _ref_davis_parts(root: Path) -> dict[str, Build]:
    lists = dict(train=('meta_expressions/train', 'DAVIS/ImageSets/2017/train.txt', 'ImageSets/2017/train.txt'),
                 valid=('meta_expressions/valid', 'DAVIS/ImageSets/2017/val.txt', 'ImageSets/2017/val.txt'))
    return {split: partial(RefDAVISDataset, data_root=root, split=split, test_mode=True)
            for split, places in lists.items() if any((root / place).exists() for place in places)}


def _a2d_parts(root: Path) -> dict[str, Build]:
    there = any(root.rglob('videoset.csv')) if root.is_dir() else False
    return {split: partial(A2DSentencesDataset, data_root=root, split=split, test_mode=True)
            for split in ('train', 'test') if there}


def _jhmdb_parts(root: Path) -> dict[str, Build]:
    there = (root / 'jhmdb_sentences_samples_metadata.json').is_file()
    return {'test': partial(JHMDBSentencesDataset, data_root=root)} if there else {}


def _locater_parts(subsets: tuple[str, ...], root: Path) -> dict[str, Build]:
    parts = {}
    for subset in subsets:
        try:
            subset_paths(root, subset)
        except FileNotFoundError as error:
            if 'no folder of' in str(error):
                continue  # this subset is not here; an incomplete one is, and says what it lacks
        parts[subset] = partial(LocaterDataset, data_root=root, subset=subset)
    return parts


_DIVISIONS = tuple((subset, by) for subset, divisions in SPLIT_BY.items() for by in divisions)
_REFER_COUNTS = {f'{division}/{split}': dict(expressions=(number,)) for division, splits in {
    'refcoco/unc': dict(train=120624, val=10834, testA=5657, testB=5095),
    'refcoco+/unc': dict(train=120191, val=10758, testA=5726, testB=4889),
    'refcocog/umd': dict(train=80512, val=4896, test=9602), 'refcocog/google': dict(train=85474, val=9536),
}.items() for split, number in splits.items()}
_MEVIS = dict(train=dict(videos=(1662,), expressions=(23051, 27502)),
              valid_u=dict(videos=(50,), expressions=(793, 907)),
              valid=dict(videos=(140,), expressions=(2236, 2523)), test=dict(videos=(154,), expressions=(2490,)))

OWN_SETS = (
    CheckedSet('ref-youtube-vos', _splits(RefYouTubeVOSDataset, ('train', 'valid', 'test'),
                                          'meta_expressions/{split}/meta_expressions.json'),
               aliases=('ref_youtube_vos', 'ref-ytvos', 'ytvos'),
               frames=lambda root, split: root / split / 'JPEGImages',
               files=lambda root, split: [root / 'meta_expressions' / split / 'meta_expressions.json',
                                          root / split / 'meta.json'],
               counts=dict(train=dict(videos=(3471,)), valid=dict(videos=(202,)), test=dict(videos=(305,))),
               further=_ref_youtube_vos, disjoint=True),
    CheckedSet('mevis', _splits(MeViSDataset, ('train', 'valid_u', 'valid', 'test'), '{split}/meta_expressions.json'),
               frames=lambda root, split: root / split / 'JPEGImages', files=_meta, counts=_MEVIS, further=_instances,
               disjoint=True),
    CheckedSet('revos', _revos_parts, further=_revos, disjoint=True,
               files=lambda root, split: [annotation_file(root, split), root / 'mask_dict.json',
                                          root / 'mask_dict_foreground.json']),
    CheckedSet('long_rvos', _splits(LongRVOSDataset, ('train', 'valid', 'test'), '{split}/meta_expressions.json'),
               aliases=('long-rvos',), frames=lambda root, split: root / split / 'JPEGImages', files=_meta,
               further=_long_rvos, disjoint=True),
    CheckedSet('youtube-vos', _splits(YouTubeVOSDataset, ('train', 'valid', 'test'), '{split}/meta.json'),
               aliases=('youtube_vos',), frames=lambda root, split: root / split / 'JPEGImages', files=_meta,
               counts=dict(train=dict(videos=(3471,)), valid=dict(videos=(474, 507))), disjoint=True),
    CheckedSet('davis2016', _davis16_parts, aliases=('davis16', 'davis-16'),
               counts=dict(train=dict(videos=(30,)), val=dict(videos=(20,), frames=(1376,)))),
    CheckedSet('davis2017', _splits(DAVIS17Dataset, ('train', 'val', 'test-dev', 'test-challenge'),
                                    'ImageSets/2017/{split}.txt'), aliases=('davis17', 'davis-17'),
               counts=dict(train=dict(videos=(60,)), val=dict(videos=(30,), frames=(1999,))), further=_index_values),
    CheckedSet('zero_shot', _zero_shot_parts, aliases=('zero-shot', 'vsod', 'fbms')),
    CheckedSet('folder', _folder_parts, aliases=('own', 'my_folder'),
               files=lambda root, split: [root / f'{split}.json']),
)

SENTENCE_SETS = (
    CheckedSet('refer_data', partial(_refer_parts, _DIVISIONS), aliases=('refer',), counts=_REFER_COUNTS),
    *(CheckedSet(subset, partial(_refer_parts, tuple(d for d in _DIVISIONS if d[0] == subset)), counts=_REFER_COUNTS)
      for subset in SPLIT_BY),
    *(CheckedSet('_'.join(division), partial(_refer_parts, (division,)), counts=_REFER_COUNTS)
      for division in _DIVISIONS),
    CheckedSet('ref-davis', _ref_davis_parts, aliases=('ref_davis', 'ref-davis17'), disjoint=True, further=_ref_davis,
               counts=dict(train=dict(videos=(60,)), valid=dict(videos=(30,), expressions=(244,), objects=(61,)))),
    CheckedSet('a2d_sentences', _a2d_parts, aliases=('a2d', 'a2d-sentences'), disjoint=True),
    CheckedSet('jhmdb_sentences', _jhmdb_parts, aliases=('jhmdb', 'jhmdb-sentences'),
               counts=dict(test=dict(expressions=(928,), items=(2784,)))),
    CheckedSet('locater', partial(_locater_parts, SUBSETS), aliases=('a2d-s', 'a2d-s+', 'jhmdb_locater')),
)

SETS: dict[str, CheckedSet] = {spelling: checked for checked in (*OWN_SETS, *SENTENCE_SETS)
                               for name in (checked.name, *checked.aliases)
                               for spelling in (name, name.replace('_', '-'), name.replace('-', '_'))}
"""Every name that a set answers to; ``-`` and ``_`` are the same."""
