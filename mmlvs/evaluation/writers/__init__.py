"""Files of results: submissions, index maps, and the merging of expressions into one map."""

from mmlvs.evaluation.writers.index_png import RefDavisWriter
from mmlvs.evaluation.writers.merge import annotator_sets, merge_scores
from mmlvs.evaluation.writers.ref_youtube_vos import MeViSWriter, RefYouTubeVOSWriter, zip_files

__all__ = ['MeViSWriter', 'RefDavisWriter', 'RefYouTubeVOSWriter', 'annotator_sets', 'merge_scores', 'zip_files']
