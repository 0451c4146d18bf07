"""Scores of a folder of PNG results, without a model."""

from mmlvs.evaluation.folders.checks import find_problems
from mmlvs.evaluation.folders.conventions import FOLDER_CONVENTIONS, FolderConvention
from mmlvs.evaluation.folders.report import summarise, write_report
from mmlvs.evaluation.folders.scoring import UnitScores, score_folder
from mmlvs.evaluation.folders.truth import DATASET_NAMES, DatasetTruth, FolderTruth, Truth, Unit

__all__ = ['DATASET_NAMES', 'FOLDER_CONVENTIONS', 'DatasetTruth', 'FolderConvention', 'FolderTruth', 'Truth', 'Unit',
           'UnitScores', 'find_problems', 'score_folder', 'summarise', 'write_report']
