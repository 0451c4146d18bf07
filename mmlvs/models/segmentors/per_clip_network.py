"""ReferFormer as one function of tensors, for ``torch.compile`` and ``torch.export``."""

import torch
from torch import Tensor, nn

from mmlvs.models.segmentors.referformer import ReferFormer
from mmlvs.models.text_encoders import TextFeatures


class PerClipNetwork(nn.Module):
    """The network of a :class:`ReferFormer` from normalised clips and text features to raw outputs: tensors in, tensors
    out, without tokenizer, samples or state.

    Compile it, ``torch.compile(PerClipNetwork(model), fullgraph=True)``, or export it::

        network = PerClipNetwork(model.eval())
        inputs = network.example(frames, text)
        program = torch.export.export(network, inputs, strict=False)

    Sizes are then those of the example. With a ResNet, ``dynamic_shapes=network.dynamic_shapes()`` leaves frames,
    pixels and words free; the example needs at least 2 frames and more than 64 pixels a side. Windowed backbones cut
    their maps by size: export once for each size.

    A compiled or exported network treats clips as padded, frame by frame; eager mode looks and takes shortcuts.

    Args:
        model: its weights are shared.
        all_layers: outputs of all decoder layers, or only of the last.
    """

    def __init__(self, model: ReferFormer, *, all_layers: bool = False) -> None:
        super().__init__()
        self.model, self.all_layers = model, all_layers

    def forward(self, frames: Tensor, padding: Tensor, sizes: Tensor, words: Tensor, sentence: Tensor, mask: Tensor,
                clip_of: Tensor) -> dict[str, Tensor]:
        """Outputs of :meth:`ReferFormer.forward_clip`.

        Args:
            frames: (B, T, 3, H, W) normalised, zero where padded. padding: (B, T, H, W) bool, True = padding.
            sizes: (B, 2) unpadded height, width.
            words: (E, L, C). sentence: (E, C). mask: (E, L) bool, True = real token.
            clip_of: (E,) int64, clip of every row; at least one row.
        """
        text = TextFeatures(words=words, sentence=sentence, mask=mask)
        return self.model.forward_clip(frames, padding, sizes, text, clip_of, all_layers=self.all_layers)

    @staticmethod
    def example(frames: Tensor, text: TextFeatures, clip_of: Tensor | None = None) -> tuple[Tensor, ...]:
        """Inputs for clips without padding (B, T, 3, H, W); row i asks about clip i if nothing else is said."""
        clips, size = len(frames), frames.shape[-2:]
        padding = torch.zeros((*frames.shape[:2], *size), dtype=torch.bool, device=frames.device)
        sizes = torch.tensor([tuple(size)] * clips, device=frames.device)
        clip_of = torch.arange(len(text), device=frames.device) if clip_of is None else clip_of
        return frames, padding, sizes, text.words, text.sentence, text.mask, clip_of

    @staticmethod
    def dynamic_shapes() -> tuple[dict[int, object] | None, ...]:
        """For ``torch.export.export``: T, H, W and L are free; B and E are fixed."""
        free = torch.export.Dim.AUTO
        frame, words = {1: free, 3: free, 4: free}, {1: free}
        return frame, {1: free, 2: free, 3: free}, None, words, None, words, None
