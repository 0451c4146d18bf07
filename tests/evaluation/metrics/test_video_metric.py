"""What all metrics share."""

import pytest
import torch

from mmlvs.evaluation.metrics.video_metric import VideoMetric
from mmlvs.structures import VideoSegDataSample


class Area(VideoMetric):
    """Mean number of true pixels."""

    def score(self, sample):
        yield (sample.metainfo['video_id'], '0', '0'), float(sample.gt_masks.sum())

    def aggregate(self, records):
        return dict(area=sum(records.values()) / len(records))


def clip(video, area=None):
    sample = VideoSegDataSample(metainfo=dict(video_id=video))
    if area is not None:
        sample.gt_masks = torch.arange(9).view(1, 1, 3, 3) < area
    return sample


def test_videos_without_truth_are_named_and_not_scored(monkeypatch):
    said = []
    monkeypatch.setattr('mmlvs.evaluation.metrics.video_metric.print_log', lambda text, **_: said.append(text))
    metric = Area(prefix='mine')
    metric.process(None, [clip('a', 4), clip('own'), clip('b', 2), clip('a', 4)])
    assert metric.evaluate(4) == {'mine/area': 3.0}
    assert 'Area: 1 videos are not scored' in said[0] and '(own)' in said[0]
    metric.process(None, [clip('own')])
    assert metric.evaluate(1) == {} and len(said) == 2
    with pytest.raises(RuntimeError, match='nothing to score'):
        metric.evaluate(0)
