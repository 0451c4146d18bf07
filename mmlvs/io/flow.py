"""Optical flow: estimators, the colour wheel, and flow images of whole videos, one for every frame."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from mmlvs.registry import TASK_UTILS

Estimator = Callable[[np.ndarray, np.ndarray], np.ndarray]
_WHEEL = (('red to yellow', 15), ('yellow to green', 6), ('green to cyan', 4), ('cyan to blue', 11),
          ('blue to magenta', 13), ('magenta to red', 6))
UNKNOWN = 1e9
"""Displacements beyond it (and NaN) are unknown; they are drawn black."""
_ROWS_AT_ONCE = 16  # what is computed of them stays in a processor's cache

# ------------------------------------------------------------ colours


def color_wheel() -> np.ndarray:
    """The Middlebury colour wheel (Baker et al., A Database and Evaluation Methodology for Optical Flow, IJCV 2011):
    55 hues, unevenly spaced by how well people tell them apart.

    Returns:
        (55, 3) float64 RGB in 0..255.
    """
    rows = []
    for k, (_, steps) in enumerate(_WHEEL):
        ramp = np.floor(255 * np.arange(steps) / steps)
        part = np.zeros((steps, 3))
        full, moving = ((k + 1) // 2) % 3, (1, 0, 2, 1, 0, 2)[k]  # the channel at 255, and the one that changes
        part[:, full] = 255
        part[:, moving] = ramp if k % 2 == 0 else 255 - ramp
        rows.append(part)
    return np.concatenate(rows)


def flow_to_color(flow: np.ndarray, *, max_radius: float | None = None) -> np.ndarray:
    """Colour-coded image of a flow field: hue is the direction, saturation the length; no motion is white.

    Args:
        flow: (H, W, 2) displacement (right, down) in pixels.
        max_radius: length that gets the full colour; longer ones are darkened. None: the longest of this field, so that
            only ratios of lengths are seen, as flow images for video segmentation usually are made.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        ValueError: wrong shape or ``max_radius``.
    """
    flow = np.asarray(flow)
    if flow.ndim != 3 or flow.shape[2] != 2:
        raise ValueError(f'expected a flow field (H, W, 2), found {flow.shape}')
    if max_radius is not None and not max_radius > 0:
        raise ValueError(f'max_radius {max_radius}: expected a length in pixels above 0')
    right, down = flow.transpose(2, 0, 1).astype(np.float64)  # H W 2 -> 2 H W
    with np.errstate(invalid='ignore'):
        unknown = ~((np.abs(right) <= UNKNOWN) & (np.abs(down) <= UNKNOWN))
    right[unknown] = down[unknown] = 0
    length = np.hypot(right, down)
    length /= max_radius or max(float(length.max(initial=0.0)), np.finfo(np.float32).eps)
    image, wheel = np.empty((*length.shape, 3), np.uint8), color_wheel() / 255
    for start in range(0, len(length), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        _paint(image[rows], right[rows], down[rows], length[rows], wheel)
    image[unknown] = 0
    return image


def _paint(image: np.ndarray, right: np.ndarray, down: np.ndarray, length: np.ndarray, wheel: np.ndarray) -> None:
    """Fill ``image`` (h, W, 3) with the colours of displacements (h, W), whose lengths are 1 at full colour."""
    place = (np.arctan2(-down, -right) / np.pi + 1) / 2 * (len(wheel) - 1)
    low = place.astype(np.intp)  # at least 0
    share, too_long = place - low, length > 1
    for channel, (here, following) in enumerate(zip(wheel.T, np.roll(wheel, -1, axis=0).T, strict=True)):
        color = (1 - share) * here.take(low) + share * following.take(low)
        color = np.where(too_long, 0.75 * color, 1 - length * (1 - color))
        image[..., channel] = 255 * color  # truncates


# ------------------------------------------------------------ estimators


@TASK_UTILS.register_module()
class DISFlow:
    """Dense inverse search (Kroeger et al., ECCV 2016) of OpenCV, on grey frames; needs nothing but OpenCV.

    Frames with a side below 32 pixels are enlarged to it: OpenCV refuses very small ones, and wide low ones make it
    crash.

    Args:
        preset: ``'ultrafast'``, ``'fast'`` or ``'medium'``, from fast to good.
    """

    PRESETS = ('ultrafast', 'fast', 'medium')
    MIN_SIDE = 32

    def __init__(self, *, preset: str = 'medium') -> None:
        if preset not in self.PRESETS:
            raise ValueError(f'DISFlow: preset {preset!r}, expected one of {self.PRESETS}')
        self.preset = preset

    def __call__(self, frame: np.ndarray, next_frame: np.ndarray) -> np.ndarray:
        """Displacement (H, W, 2) float32 (right, down) in pixels from one frame (H, W, 3) uint8 RGB to another."""
        # a new one for every pair: after a small frame OpenCV's keeps other settings, and two threads cannot share one
        dis = cv2.DISOpticalFlow_create(self.PRESETS.index(self.preset))
        grey = [cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY) for image in (frame, next_frame)]
        height, width = grey[0].shape
        target = max(width, self.MIN_SIDE), max(height, self.MIN_SIDE)
        if target == (width, height):
            return dis.calc(*grey, None)
        flow = dis.calc(*(cv2.resize(image, target) for image in grey), None)
        return cv2.resize(flow, (width, height)) * np.float32([width / target[0], height / target[1]])


@TASK_UTILS.register_module()
class NoFlow:
    """Nothing moves: every flow image is white, to see what a network can do without motion."""

    def __call__(self, frame: np.ndarray, next_frame: np.ndarray) -> np.ndarray:
        """Zeros (H, W, 2) float32."""
        return np.zeros((*frame.shape[:2], 2), np.float32)


@TASK_UTILS.register_module()
class RAFTFlow:
    """RAFT (Teed and Deng, ECCV 2020) of torchvision with weights from a file. Nothing is downloaded.

    Frames are padded to multiples of 8 with their border pixels, half on each side.

    Args:
        checkpoint: file of weights as torchvision publishes them; ``raft_large_C_T_V1-22a6c225.pth`` are the authors'
            (Chairs, then Things).
        size: ``'large'`` or ``'small'``.
        iterations: refinement steps.
        device: where it runs.
        min_side: smaller frames are enlarged to this side; the correlation pyramid needs 128 pixels.

    Raises:
        ValueError: unknown ``size``, or a file that does not fit.
        ImportError: torchvision is not installed.
    """

    def __init__(self, *, checkpoint: str | Path, size: str = 'large', iterations: int = 12, device: str = 'cpu',
                 min_side: int = 128) -> None:
        if size not in ('large', 'small'):
            raise ValueError(f"RAFTFlow: size {size!r}, expected 'large' or 'small'")
        self.checkpoint, self.size, self.iterations, self.device = Path(checkpoint), size, iterations, device
        self.min_side = min_side
        self._network = None  # made when needed: heavy, and not to be sent to another process

    def __getstate__(self) -> dict:
        return {**self.__dict__, '_network': None}

    def __call__(self, frame: np.ndarray, next_frame: np.ndarray) -> np.ndarray:
        """Displacement (H, W, 2) float32 (right, down) in pixels from one frame (H, W, 3) uint8 RGB to another."""
        import torch
        import torch.nn.functional as F

        if self._network is None:
            self._network = self._load()
        images = torch.from_numpy(np.stack([frame, next_frame])).to(self.device)
        images = images.permute(0, 3, 1, 2).float() / 127.5 - 1  # 2 H W 3 -> 2 3 H W
        height, width = images.shape[-2:]
        size = max(height, self.min_side), max(width, self.min_side)
        if size != (height, width):
            images = F.interpolate(images, size=size, mode='bilinear', align_corners=False)
        down, across = -size[0] % 8, -size[1] % 8  # the network halves its maps three times
        if down or across:
            images = F.pad(images, (across // 2, across - across // 2, down // 2, down - down // 2), mode='replicate')
        with torch.inference_mode():
            flow = self._network(images[:1], images[1:], num_flow_updates=self.iterations)[-1]  # 1 2 h w
        flow = flow[..., down // 2:down // 2 + size[0], across // 2:across // 2 + size[1]]
        if size != (height, width):
            flow = F.interpolate(flow, size=(height, width), mode='bilinear', align_corners=False)
            flow = flow * flow.new_tensor([width / size[1], height / size[0]])[:, None, None]
        return flow[0].permute(1, 2, 0).cpu().numpy()  # 1 2 H W -> H W 2

    def _load(self):
        try:
            from torchvision.models import optical_flow
        except ImportError as error:
            raise ImportError(f'RAFTFlow needs torchvision, which cannot be imported ({error}); install it, or use '
                              'DISFlow') from error
        from mmlvs.io.checkpoint import load_checkpoint_file

        network = getattr(optical_flow, f'raft_{self.size}')(weights=None, progress=False)
        content = load_checkpoint_file(self.checkpoint)
        state = {name.removeprefix('module.'): value for name, value in content.items()}
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise ValueError(f"{self.checkpoint}: does not fit torchvision's raft_{self.size} ({error}); fetch the "
                             'weights that torchvision publishes, or set the other size') from error
        return network.to(self.device).eval()


# ------------------------------------------------------------ whole videos


def iter_flow(frames: Iterable[np.ndarray], estimator: Estimator, *, following: np.ndarray | None = None,
              previous: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Flow of every frame of a video, in constant memory: from each frame to the next, from the last to the one before.

    The last frame has no next one; its backward flow gives every frame a flow. A video of one frame does not move.

    Args:
        frames: (H, W, 3) uint8 RGB.
        estimator: such as :class:`DISFlow`.
        following, previous: the frames behind the last and before the first one, where ``frames`` are only a part of a
            video.

    Yields:
        (H, W, 2) float32, as many as frames.

    Raises:
        ValueError: frames differ in size.
    """
    before, current = previous, None
    for number, frame in enumerate(frames):
        if current is not None:
            yield _flow(estimator, current, frame, number)
            before = current
        current = frame
    if current is None:
        return
    if following is not None:
        yield _flow(estimator, current, following, 'behind the last')
    elif before is not None:
        yield _flow(estimator, current, before, 'before the last')
    else:
        yield np.zeros((*current.shape[:2], 2), np.float32)


def _flow(estimator: Estimator, frame: np.ndarray, other: np.ndarray, name: object) -> np.ndarray:
    if frame.shape != other.shape:
        raise ValueError(f'frame {name} has shape {other.shape}, its neighbour {frame.shape}; frames of one video must '
                         'have one size')
    return estimator(frame, other)


def flow_images(frames: Iterable[np.ndarray], estimator: Estimator, *, following: np.ndarray | None = None,
                previous: np.ndarray | None = None, max_radius: float | None = None) -> Iterator[np.ndarray]:
    """Colour-coded flow image (H, W, 3) uint8 RGB of every frame; see :func:`iter_flow` and :func:`flow_to_color`."""
    for flow in iter_flow(frames, estimator, following=following, previous=previous):
        yield flow_to_color(flow, max_radius=max_radius)
