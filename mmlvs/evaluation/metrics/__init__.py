"""Metrics that a config names."""

from mmlvs.evaluation.metrics.expression_metrics import LongRVOSMetric, MeViSMetric, ReVOSMetric
from mmlvs.evaluation.metrics.iou_metrics import A2DMetric, IoUMetric
from mmlvs.evaluation.metrics.jf_metric import JFMetric
from mmlvs.evaluation.metrics.ref_davis_metric import RefDavisMetric
from mmlvs.evaluation.metrics.saliency_metric import SaliencyMetric
from mmlvs.evaluation.metrics.video_metric import VideoMetric

__all__ = ['A2DMetric', 'IoUMetric', 'JFMetric', 'LongRVOSMetric', 'MeViSMetric', 'ReVOSMetric', 'RefDavisMetric',
           'SaliencyMetric', 'VideoMetric']
