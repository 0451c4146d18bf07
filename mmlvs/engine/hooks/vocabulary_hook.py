"""Gives text encoders that have none a vocabulary of the training expressions."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmlvs.registry import HOOKS


@HOOKS.register_module()
class VocabularyHook(Hook):
    """Before training: every sub-module with ``needs_vocabulary`` true gets ``build_vocabulary(texts)`` of the
    training set.

    The vocabulary lies in the checkpoint from then on; a loaded or resumed checkpoint brings its own and wins.

    Raises:
        RuntimeError: a vocabulary is needed but the training set has no ``texts()``.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        needy = [(name, module) for name, module in model.named_modules() if getattr(module, 'needs_vocabulary', False)]
        if not needy:
            return
        dataset = runner.train_dataloader.dataset
        if not hasattr(dataset, 'texts'):
            raise RuntimeError(f'{needy[0][0]} needs a vocabulary, but {type(dataset).__name__} has no texts() to '
                               'build it from')
        texts = dataset.texts()
        for name, module in needy:
            module.build_vocabulary(texts)
            runner.logger.info(f'built the vocabulary of {name} from {len(texts)} expressions')
