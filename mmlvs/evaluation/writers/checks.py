"""What every writer makes sure of before it touches the disk."""

from mmlvs.structures import VideoSegDataSample


def file_name(kind: str, name: object) -> str:
    """A name from annotations as one part of a path.

    Args:
        kind: what it names, for the message.
        name: the name.

    Raises:
        ValueError: it would leave its folder (empty, ``.``, ``..``, or with a separator).
    """
    text = str(name)
    if text in ('', '.', '..') or any(mark in text for mark in ('/', '\\', '\0')):
        raise ValueError(f'{kind} {text!r} cannot be a file name; correct the annotation file')
    return text


def check_original(sample: VideoSegDataSample, user: str) -> None:
    """Make sure that a sample carries predictions at original size.

    Args:
        sample: a predicted clip.
        user: who needs them, for the message.

    Raises:
        ValueError: it does not.
    """
    video = sample.metainfo.get('video_id')
    if 'pred_masks' not in sample:
        raise ValueError(f'{user}: the sample of video {video!r} carries no pred_masks; give it the samples that '
                         'predict returned')
    if sample.mask_space != 'original':
        raise ValueError(f'{user}: masks of video {video!r} are in {sample.mask_space!r} space, expected "original": '
                         'files have the size of the original frames')
