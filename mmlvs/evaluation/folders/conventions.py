"""How a folder of results is read and scored: every published way as a set of named switches."""

from dataclasses import dataclass, field

Skip = dict[str, tuple[int, int]]
NO_SKIP: Skip = {}
BOTH_ENDS: Skip = dict(mean=(1, 1), recall=(1, 1), decay=(1, 1))


@dataclass(frozen=True)
class FolderConvention:
    """The small print of scoring PNG files.

    Args:
        files: ``'video'``: ``<video>/<frame>.png``; ``'expression'``: ``<video>/<expression>/<frame>.png``;
            ``'annotator'``: ``anno_<k>/<video>/<frame>.png``.
        pixels: ``'index'`` (object numbers), ``'mask'`` (grey, above a level is object) or ``'levels'`` (saliency).
        prediction_above, truth_above: level above which a grey pixel is object.
        task: of index maps: ``'objects'`` (index k against index k of every object of the truth), ``'semi-supervised'``
            or ``'unsupervised'`` (DAVIS 2017).
        skip: frames left out of mean, recall and decay at either end.
        toolkit_exact: decay limits in 8 bits.
        resize: bring a prediction of another size to the truth, bilinear; otherwise it is refused.
        temporal: also tIoU and vIoU.
        saliency: protocol of ``'levels'``.
        average: ``'track'`` (every object or expression counts the same) or ``'pooled'`` (saliency protocols decide).
        note: one line for the list of conventions.
    """

    files: str = 'video'
    pixels: str = 'index'
    prediction_above: int = 0
    truth_above: int = 0
    task: str = 'objects'
    skip: Skip = field(default_factory=lambda: dict(NO_SKIP))
    toolkit_exact: bool = False
    resize: bool = False
    temporal: bool = False
    saliency: str | None = None
    note: str = ''


FOLDER_CONVENTIONS: dict[str, FolderConvention] = {
    'objects': FolderConvention(note='index PNGs, index k against index k, all frames, no void'),
    'davis16': FolderConvention(pixels='mask', skip=BOTH_ENDS, toolkit_exact=True,
                                note='one mask a frame, any value is object, first and last frame left out'),
    'davis17-semi-supervised': FolderConvention(task='semi-supervised', toolkit_exact=True,
                                                note='index PNGs, fixed indices, first and last frame left out'),
    'davis17-unsupervised': FolderConvention(task='unsupervised', toolkit_exact=True,
                                             note='index PNGs, optimal matching, all frames, 255 is void'),
    'ref-davis': FolderConvention(files='annotator', task='unsupervised', toolkit_exact=True,
                                  note='davis17-unsupervised of anno_0 .. anno_3, mean of the four tables'),
    'zvos': FolderConvention(pixels='mask', prediction_above=128, skip=dict(recall=(1, 1), decay=(1, 1)),
                             toolkit_exact=True, resize=True,
                             note='soft maps above 128 against truth above 0, all frames, per video (Isomer)'),
    'expressions': FolderConvention(files='expression', pixels='mask',
                                    note='one mask per expression and frame, all frames (Ref-YouTube-VOS, MeViS)'),
    'long-rvos': FolderConvention(files='expression', pixels='mask', temporal=True,
                                  note='expressions, and tIoU and vIoU'),
    'vsod-standard': FolderConvention(pixels='levels', saliency='standard',
                                      note='saliency as PySODMetrics, all frames pooled'),
    'vsod-isomer': FolderConvention(pixels='levels', saliency='isomer',
                                    note='saliency as Isomer: without first and last frame, per video'),
}
