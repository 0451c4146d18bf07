"""Networks on the meta device, each built once: many configs train the same one."""

import json
from collections.abc import Callable, Mapping

import pytest
import torch
from torch import nn

from mmlvs.io.weight_files import without_starts
from mmlvs.registry import MODELS


@pytest.fixture(scope='session')
def meta_network() -> Callable[[Mapping], nn.Module]:
    """Builds the network of a config's ``model``."""
    built: dict[str, nn.Module] = {}

    def build(settings: Mapping) -> nn.Module:
        key = json.dumps(without_starts(settings))
        if key not in built:
            with torch.device('cpu' if 'FrameBackbone' in key else 'meta'):  # other toolboxes read values of tensors
                built[key] = MODELS.build(json.loads(key))
        return built[key]

    return build
