"""Further streams of a clip: images that go with its frames, and the frame after its last one."""

import numpy as np

from mmlvs.datasets.frame_files import decode_frames
from mmlvs.datasets.transforms.compose import ClipTransform, Results
from mmlvs.registry import TRANSFORMS
from mmlvs.structures import ClipCodec


@TRANSFORMS.register_module()
class LoadStream(ClipTransform):
    """Decodes the images of another stream for the listed frames, (T, H, W, 3) uint8 RGB; after ``LoadFrames``.

    Args:
        stream: name of the stream, which the data set must have.
        resize: bring images of another size to that of the frames (Pillow, bilinear); False: they are an error.

    Raises:
        KeyError: the data set has no such stream.
        FileNotFoundError: a frame has no image of its name there.
        ValueError: an image differs from the frames in size.
    """

    def __init__(self, *, stream: str = 'flow', resize: bool = False) -> None:
        self.stream, self.resize = stream, resize

    def transform(self, results: Results) -> Results:
        """Add the stream."""
        path_of = results.get('stream_paths', {}).get(self.stream)
        if path_of is None:
            raise KeyError(f"LoadStream: data set {results['dataset']!r} has no stream {self.stream!r}, only "
                           f"{sorted(results.get('stream_paths', {}))}; switch it on there, or leave this step out")
        paths = [str(path_of(results['video_id'], frame_id)) for frame_id in results['frame_ids']]
        size, images = tuple(results['ori_shape']), {}
        for path, image in decode_frames(paths).items():
            if image.shape[:2] != size and not self.resize:
                raise ValueError(f'{path}: image of size {image.shape[:2]} (height, width), but the frames of video '
                                 f"{results['video_id']!r} have {size}; make it again from them, or set resize=True on "
                                 'LoadStream')
            images[path] = ClipCodec().resize_frames(image[None], size)[0]  # H W 3
        results['frames'][self.stream] = np.stack([images[path] for path in paths])  # T H W 3
        return results


@TRANSFORMS.register_module()
class LoadLookAhead(ClipTransform):
    """Appends to stream ``img`` the frame that the flow of a clip's last frame leads to, so that it can be computed.

    That is the frame that follows, at the end of a video the one before. The stream then has T + 1 frames for the T of
    ``frame_ids`` (T in a video of one frame). After ``LoadFrames``, in training after the clip has been sampled.

    Raises:
        KeyError: the data set does not know.
        ValueError: frames of the clip do not follow each other in the video, so that flow between them would not be
            that of neighbours.
    """

    def transform(self, results: Results) -> Results:
        """Append the frame, if there is one."""
        partner, video = results.get('flow_partner'), results['video_id']
        if partner is None:
            raise KeyError(f"LoadLookAhead: data set {results['dataset']!r} does not tell which frame follows a clip")
        frames = results['frame_ids']
        for frame, path in zip(frames[:-1], results['frame_paths'][1:], strict=True):
            if str(partner(video, frame)) != path:
                raise ValueError(f'LoadLookAhead: in video {video!r} frame {frame!r} is not followed by {path}; flow '
                                 "can be computed only for clips of neighbours: take every frame (frames='all' of "
                                 'ZeroShotDataset), clips of one frame, or flow images from files')
        path = partner(video, frames[-1])
        if path is not None:
            frame = decode_frames([str(path)])[str(path)]
            results['frames']['img'] = np.concatenate([results['frames']['img'], frame[None]])  # T+1 H W 3
        return results
