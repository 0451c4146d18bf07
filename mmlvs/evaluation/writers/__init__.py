"""Files of results: submissions, index maps, soft maps, and the merging of expressions into one map."""

from mmlvs.evaluation.writers.index_png import RefDavisWriter
from mmlvs.evaluation.writers.merge import annotator_sets, merge_scores
from mmlvs.evaluation.writers.ref_youtube_vos import MeViSWriter, RefYouTubeVOSWriter, zip_files
from mmlvs.evaluation.writers.soft_maps import SaliencyWriter

__all__ = [
    'MeViSWriter', 'RefDavisWriter', 'RefYouTubeVOSWriter', 'SaliencyWriter', 'annotator_sets', 'merge_scores',
    'zip_files'
]
