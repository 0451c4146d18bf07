"""Teaches text encoders the words of the training expressions."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper

from mmlvs.registry import HOOKS


@HOOKS.register_module()
class VocabularyHook(Hook):
    """Before training: every sub-module with ``needs_vocabulary`` true gets ``build_vocabulary(texts)`` of the
    training set.

    The vocabulary lies in the checkpoint from then on; a loaded or resumed checkpoint brings its own. What it lacks is
    appended while there is room (``extend_vocabulary(texts)``), so that fine-tuning can learn new words.

    Raises:
        RuntimeError: a vocabulary is needed but the training set has no ``texts()``.
    """

    priority = 'VERY_HIGH'

    def before_train(self, runner) -> None:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        modules = list(model.named_modules())
        needy = [(name, module) for name, module in modules if getattr(module, 'needs_vocabulary', False)]
        if not needy:
            self._extend(runner, [(name, module) for name, module in modules
                                  if hasattr(module, 'tokenizer') and hasattr(module, 'extend_vocabulary')])
            return
        dataset = runner.train_dataloader.dataset
        if not hasattr(dataset, 'texts'):
            raise RuntimeError(f'{needy[0][0]} needs a vocabulary, but {type(dataset).__name__} has no texts() to '
                               'build it from')
        texts = dataset.texts()
        for name, module in needy:
            module.build_vocabulary(texts)
            runner.logger.info(f'built the vocabulary of {name} from {len(texts)} expressions')

    def _extend(self, runner, encoders) -> None:
        dataset = runner.train_dataloader.dataset
        for name, encoder in encoders if hasattr(dataset, 'texts') else ():
            new, left = encoder.extend_vocabulary(dataset.texts())
            if new:
                runner.logger.info(f'{name} learns {len(new)} further words: {", ".join(sorted(new)[:20])}')
            if left:
                runner.logger.warning(
                    f'{name} has no room for {len(left)} words, which it will not tell apart: '
                    f'{", ".join(sorted(left)[:20])}; set max_size of its tokenizer and vocab_size of its config '
                    'higher, and train from the start')
