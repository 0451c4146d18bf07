"""Networks of PyTorch Image Models (timm), for :class:`FrameBackbone`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import print_log
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmlvs.io.weight_files import read_weights
from mmlvs.models.pretrained import check_init_cfg
from mmlvs.registry import MODELS

STRIDES = (4, 8, 16, 32)


@MODELS.register_module()
class TimmNetwork(BaseModule):
    """Feature maps of a timm model at strides 4, 8, 16, 32. Needs ``timm``, of ``requirements/full.txt``.

    Args:
        name: of the model, see ``timm.list_models()``. Nothing is downloaded, tags of weights do not belong here.
        strides: of the maps; the last map of each stride is taken.
        options: further settings of the model (``drop_path_rate``, ``img_size``, ...), passed on to timm, which refuses
            those it does not know.
        init_cfg: ``dict(type='Pretrained', checkpoint=path)`` loads a file of timm's for this model in
            ``init_weights``; its classifier is left out. None keeps timm's random start.

    Attributes:
        out_channels: channels of the maps.
        out_strides: their strides.

    Raises:
        ImportError: timm is not installed.
        ValueError: the model has no map of a stride, or ``name`` is unknown.
    """

    def __init__(self, *, name: str, strides: Sequence[int] = STRIDES, options: Mapping[str, Any] | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg=check_init_cfg(init_cfg))
        if self.init_cfg and self.init_cfg['type'] != 'Pretrained':
            raise ValueError("TimmNetwork: init_cfg must be None or of type 'Pretrained', found "
                             f'{dict(self.init_cfg)!r}')
        self.name, self.options = name, dict(options or {})
        self.features = _create(name, self.options)
        known = self.features.feature_info.reduction()
        missing = [stride for stride in strides if stride not in known]
        if missing:
            raise ValueError(f'TimmNetwork: {name} has no map of stride {missing}, only of {known}; choose another '
                             'model or other strides')
        self.chosen = [len(known) - 1 - known[::-1].index(stride) for stride in strides]
        self.out_channels = tuple(self.features.feature_info.channels()[i] for i in self.chosen)
        self.out_strides = tuple(strides)
        self.channels_last = str(getattr(getattr(self.features, 'output_fmt', ''), 'value', '')) == 'NHWC'

    def forward(self, images: Tensor) -> list[Tensor]:
        """Images (N, 3, H, W) to maps (N, C, h, w)."""
        maps = self.features(images)
        maps = [maps[i] for i in self.chosen]
        return [x.permute(0, 3, 1, 2) for x in maps] if self.channels_last else maps  # N h w C -> N C h w

    def init_weights(self) -> None:
        """Load the file of ``init_cfg``, if there is one; the random start was made when timm built the model.

        Raises:
            FileNotFoundError: no such file.
            CheckpointError: the file is not data.
            RuntimeError: names or shapes do not fit the model.
        """
        if self.init_cfg:
            path = self.init_cfg['checkpoint']
            state = read_weights(path)
            loaded = _create(self.name, self.options, state.get('state_dict', state))
            self.features.load_state_dict(loaded.state_dict())
            print_log(f'{self.name} of timm starts from {path}', logger='current')
        self.is_init = True


def _create(name: str, options: Mapping[str, Any], state: Mapping[str, Tensor] | None = None) -> nn.Module:
    """timm's extractor of all maps of a model, with a random start or given weights."""
    try:
        import timm
    except ImportError as error:
        raise ImportError(f'TimmNetwork needs timm, which cannot be imported ({error}); install it with torchvision: '
                          'pip install -r requirements/full.txt') from error
    start = {} if state is None else dict(pretrained=True, pretrained_cfg_overlay=dict(state_dict=dict(state)))
    try:
        return timm.create_model(name, features_only=True, **start, **options)
    except RuntimeError as error:
        if 'Unknown model' not in str(error):
            raise
        near = timm.list_models(f'*{name.partition("_")[0]}*')[:8]
        raise ValueError(f'timm {timm.__version__} has no model {name!r}; similar names: {near}') from error
