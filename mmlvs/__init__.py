"""mmlvs: segment what is meant in a video (referring and zero-shot video segmentation)."""

__version__ = '0.1.0'

__all__ = ['__version__']
