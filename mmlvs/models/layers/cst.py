"""Context-Sharing Transformer of Isomer, and the feed-forward net that its semantic counterpart shares."""

import torch
from torch import Tensor, nn

from mmlvs.registry import MODELS


class ConvFeedForward(nn.Module):
    """Feed-forward net with a depth-wise 3x3 convolution in its hidden layer, post-norm, on a grid (B, h, w, C).

    LayerNorm(x + Linear(ReLU(DWConv(Linear(x))))), as in Isomer's fusion modules (ICCV 2023, section 3.3).

    Args:
        channels: width C.
        ratio: hidden width divided by C.
        dropout: after the ReLU and after the second linear layer.
        norm_eps: of the layer norm.
    """

    def __init__(self, *, channels: int, ratio: int = 8, dropout: float = 0.1, norm_eps: float = 1e-5) -> None:
        super().__init__()
        hidden = channels * ratio
        self.linear1 = nn.Linear(channels, hidden)
        self.dwconv = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear2 = nn.Linear(hidden, channels)
        self.norm = nn.LayerNorm(channels, eps=norm_eps)
        for layer in (self.linear1, self.linear2):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.dwconv(self.linear1(x).permute(0, 3, 1, 2))  # B h w 8C -> B 8C h w
        hidden = self.dropout(hidden.relu()).permute(0, 2, 3, 1)  # B 8C h w -> B h w 8C
        return self.norm(x + self.dropout(self.linear2(hidden)))


@MODELS.register_module()
class ContextSharingTransformer(nn.Module):
    """Fuses appearance and motion where attention does not depend on the query: one context vector is shared by all
    positions of an image (Isomer, ICCV 2023, section 3.2; the context is GCNet's block).

    Args:
        channels: width C of both features and of the result.
        context_ratio: hidden width of the context's transform divided by C (an expansion).
        ffn_ratio: hidden width of the feed-forward net divided by C.
        dropout: of the feed-forward net.
        norm_eps: of all layer norms.
    """

    def __init__(self, *, channels: int, context_ratio: int = 16, ffn_ratio: int = 8, dropout: float = 0.1,
                 norm_eps: float = 1e-5) -> None:
        super().__init__()
        from mmcv.cnn import ContextBlock

        self.project = nn.Conv2d(2 * channels, channels, 1)
        self.context = ContextBlock(channels, context_ratio)
        self.context.channel_add_conv[1].eps = norm_eps
        self.ffn = ConvFeedForward(channels=channels, ratio=ffn_ratio, dropout=dropout, norm_eps=norm_eps)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Appearance ``x`` and motion ``y``, both (B, C, h, w), to (B, C, h, w)."""
        z = self.project(torch.cat([x, y], dim=1))
        z = self.context(z.contiguous())  # it views (B, C, h, w) as (B, C, h*w)
        return self.ffn(z.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)  # B C h w -> B h w C -> B C h w
