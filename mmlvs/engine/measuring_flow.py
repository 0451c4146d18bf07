"""What optical flow costs: a network that gets flow images, against the same network on raw video."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from mmlvs.engine.measuring import MeasurementTable, times
from mmlvs.io.flow import flow_images
from mmlvs.models.segmentors.isomer_postprocess import soft_maps
from mmlvs.structures import VideoSegDataSample
from mmlvs.utils.timing import Spread, Timing, measure


class FlowSteps:
    """A network of frame and flow image on one video, ready to be called again and again.

    Args:
        model: such as :class:`~mmlvs.models.segmentors.isomer.Isomer`; brought into evaluation mode.
        frames: video (T, H, W, 3) uint8 RGB, T at least 2.
        amp: bfloat16 autocast.

    Raises:
        ValueError: the model computes no flow, or there is no second frame to move to.
    """

    def __init__(self, *, model: nn.Module, frames: np.ndarray, amp: bool = False) -> None:
        if not hasattr(model, 'predict_video') or getattr(model, 'flow', None) is None:
            raise ValueError(f'{type(model).__name__} of this config computes no optical flow: choose a config of a '
                             "method that does, such as Isomer, with model.flow set, such as dict(type='DISFlow')")
        if len(frames) < 2:
            raise ValueError(f'found {len(frames)} frame; flow needs at least 2')
        self.model, self.frames, self.amp = model.eval(), frames, amp
        self.device, self.codec = next(model.parameters()).device, model.data_preprocessor.codec
        self.original = tuple(frames.shape[1:3])
        self.size = self.codec.target_size(self.original)
        self.image = self.prepare(frames)
        self.flow_images = np.stack(self.estimate())
        self.flow = self.prepare(self.flow_images)

    def prepare(self, images: np.ndarray) -> Tensor:
        """Images (T, H, W, 3) uint8 as the network takes them, (T, 3, h, w) on its device."""
        height, width = self.size
        clip = torch.from_numpy(self.codec.resize_frames(images, self.size)).permute(0, 3, 1, 2)  # T h w 3 -> T 3 h w
        batch = self.model.data_preprocessor(dict(inputs=dict(img=[clip]), data_samples=[VideoSegDataSample()]), False)
        return batch['inputs']['img'].frames[0, :, :, :height, :width]

    def network(self, flow: Tensor | None = None) -> list[Tensor]:
        """Logits (t, h, w) of every ``frames_at_once`` frames, of prepared flow images (default: the video's own)."""
        parts = [x.split(self.model.frames_at_once) for x in (self.image, self.flow if flow is None else flow)]
        with self._inferring():
            return [self.model.forward_frames(image, motion)[:, 0] for image, motion in zip(*parts, strict=True)]

    def maps(self, flow: Tensor | None = None) -> np.ndarray:
        """8-bit maps (T, H, W) of the same."""
        return torch.cat([soft_maps(logits, self.original, codec=self.codec, img_shape=self.size,
                                    min_max=self.model.min_max) for logits in self.network(flow)]).cpu().numpy()

    def video(self) -> list[np.ndarray]:
        """Maps (H, W) of raw video."""
        with self._inferring():
            return list(self.model.predict_video(self.frames))

    def estimate(self) -> list[np.ndarray]:
        """Flow images (H, W, 3) of raw video."""
        with self._inferring():
            return list(flow_images(self.frames, self.model.flow))

    @contextmanager
    def _inferring(self) -> Iterator[None]:
        with torch.no_grad(), torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            yield


def measure_flow(table: MeasurementTable, model: nn.Module, frames: np.ndarray, *, repeats: int = 5, warmup: int = 1,
                 tolerance: int = 1, amp: bool = False) -> None:
    """Time a network with flow images given (a), raw video (b), and optical flow alone (c), a frame each.

    (a) is the network and nothing else: frames and flow images lie on the device, resized and normalised, and logits
    stay there. (b) is ``predict_video`` of frames in memory: flow, its colours, resizing, the network, 8-bit maps at
    the video's size; flow runs beside the network. Both pass as many frames at a time. (c) is flow at the video's size
    and its colours, as in (b). Before, maps made of the logits of (a) are held against those of (b).

    Args:
        table: gets the results.
        model, frames, amp: see :class:`FlowSteps`.
        repeats, warmup: see :func:`~mmlvs.utils.timing.measure`.
        tolerance: levels of 255 by which maps of (a) and (b) may differ. Maps are cut to whole levels, so that rounding
            shows as one.

    Raises:
        ValueError: see :class:`FlowSteps`; or (a) and (b) differ.
    """
    steps = FlowSteps(model=model, frames=frames, amp=amp)
    maps = steps.maps().astype(int)
    still = steps.maps(steps.prepare(np.full_like(steps.flow_images, 255)))
    error, motion = (int(np.abs(maps - other).max()) for other in (np.stack(steps.video()), still))
    method = ', '.join(f'{name} {value}' for name, value in vars(model.flow).items() if not name.startswith('_'))
    setup = dict(frames=_size(steps.original), network=_size(steps.size), frames_at_once=model.frames_at_once,
                 flow=type(model.flow).__name__ + (f' ({method})' if method else ''), on=str(steps.device))
    table.show(f'{"flow":<10}' + ', '.join(f'{name.replace("_", " ")} {value}' for name, value in setup.items()))
    table.value('largest difference of maps', error, f'{error} of 255 levels between (a) and (b); without motion it '
                f'would be {motion}', unit='levels', **setup)
    if error > tolerance:
        raise ValueError(f'maps of given flow images and of raw video differ by {error} of 255 levels (at most '
                         f'{tolerance}): these are not the same computation, so their times cannot be compared')

    number = len(frames)
    tasks = dict(network=steps.network, video=steps.video, flow=steps.estimate)
    a, b, c = (Timing(tuple(lap / number for lap in timing.seconds))
               for timing in measure(tasks, repeats=repeats, warmup=warmup, device=steps.device).values())
    for name, timing in (('a: network, flow images given', a), ('b: raw video, flow on the way', b),
                         ('c: flow and its colours alone', c)):
        table.timing(name, timing, amount=1, unit='frames', note='a frame')
    rest = Spread.of([1e3 * (y - x - z) for x, y, z in zip(a.seconds, b.seconds, c.seconds, strict=True)])
    table.value('b - a - c', rest.median, f'{rest.median:.1f} ms ({rest.low:.1f} .. {rest.high:.1f}) a frame: resizing '
                'there and back and copies, less what flow and network do at the same time', unit='ms', low=rest.low,
                high=rest.high)
    for name, ratio, meaning in (('b / a', a.times_faster_than(b), 'raw video, by the network alone'),
                                 ('c / b', b.times_faster_than(c), 'flow alone, by raw video')):
        table.value(name, ratio.median, f'{times(ratio)}: {meaning}', low=ratio.low, high=ratio.high)


def _size(size: tuple[int, int]) -> str:
    return ' x '.join(map(str, size))
