"""Small services that every room may use."""

from mmlvs.utils.build import build
from mmlvs.utils.config_check import check_config
from mmlvs.utils.taps import record_taps, tap

__all__ = ['build', 'check_config', 'record_taps', 'tap']
