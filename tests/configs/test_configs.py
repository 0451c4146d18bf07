"""Every config: strict keys, a model that builds on the meta device, parts that build, patterns that match."""

import re
from pathlib import Path

import pytest
from mmengine.config import Config

from mmlvs.models.pretrained import check_init_cfg
from mmlvs.registry import DATASETS, METRICS, TRANSFORMS
from mmlvs.utils import check_config

ROOT = Path(__file__).parents[2]
CONFIGS = sorted(p for p in (ROOT / 'configs').rglob('*.py') if '_base_' not in p.parts)
# configs with parts of other toolboxes build where the full stack is installed
FOREIGN = [p for p in CONFIGS if re.search('mmdet|mmseg|timm', p.stem)]
CASES = [pytest.param(p, id=p.stem, marks=[pytest.mark.full] if p in FOREIGN else []) for p in CONFIGS]


def load(path: Path) -> Config:
    return Config.fromfile(path)


def test_there_are_configs():
    assert len(CONFIGS) > 7


@pytest.mark.parametrize('path', CASES)
def test_config_builds(path, meta_network):
    cfg = load(path)
    cfg.setdefault('default_scope', 'mmlvs')
    check_config(cfg)
    check_init_cfg(cfg.model.get('init_cfg'))
    names = [name for name, _ in meta_network(cfg.model.to_dict()).named_parameters()]
    for key in cfg.get('optim_wrapper', {}).get('paramwise_cfg', {}).get('custom_keys', {}):
        assert any(key in name for name in names), f'{key} matches no parameter'
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader')
        if loader is None:
            continue
        dataset = loader.dataset
        assert dataset.type.rpartition('.')[2] in DATASETS or DATASETS.get(dataset.type)
        for transform in (t for part in dataset.get('datasets', [dataset]) for t in part.pipeline):
            TRANSFORMS.build(transform)
    for part in ('val', 'test'):
        evaluator = cfg.get(f'{part}_evaluator')
        for metric in evaluator if isinstance(evaluator, list) else [evaluator] if evaluator else []:
            METRICS.build(metric)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda p: p.stem)
def test_name_says_what_it_is(path):
    """OpenMMLab's naming: method_backbone_batch-schedule_dataset."""
    fields = path.stem.split('_')
    assert fields[0] == path.parent.name and len(fields) >= 4
    assert any('xb' in field for field in fields)
