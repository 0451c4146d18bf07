"""Category names of data sets; a name's position is its number (labels when classes are not binary)."""

REF_YOUTUBE_VOS_CATEGORIES = (
    'airplane', 'ape', 'bear', 'bike', 'bird', 'boat', 'bucket', 'bus', 'camel', 'cat', 'cow', 'crocodile', 'deer',
    'dog', 'dolphin', 'duck', 'eagle', 'earless_seal', 'elephant', 'fish', 'fox', 'frisbee', 'frog', 'giant_panda',
    'giraffe', 'hand', 'hat', 'hedgehog', 'horse', 'knife', 'leopard', 'lion', 'lizard', 'monkey', 'motorbike',
    'mouse', 'others', 'owl', 'paddle', 'parachute', 'parrot', 'penguin', 'person', 'plant', 'rabbit', 'raccoon',
    'sedan', 'shark', 'sheep', 'sign', 'skateboard', 'snail', 'snake', 'snowboard', 'squirrel', 'surfboard',
    'tennis_racket', 'tiger', 'toilet', 'train', 'truck', 'turtle', 'umbrella', 'whale', 'zebra')
"""The 65 categories of Ref-YouTube-VOS, alphabetical."""

REF_DAVIS_CATEGORIES = (
    'airplane', 'backpack', 'ball', 'bear', 'bicycle', 'bird', 'boat', 'bottle', 'box', 'bus', 'camel', 'car',
    'carriage', 'cat', 'cellphone', 'chamaleon', 'cow', 'deer', 'dog', 'dolphin', 'drone', 'elephant', 'excavator',
    'fish', 'goat', 'golf cart', 'golf club', 'grass', 'guitar', 'gun', 'helicopter', 'horse', 'hoverboard', 'kart',
    'key', 'kite', 'koala', 'leash', 'lion', 'lock', 'mask', 'microphone', 'monkey', 'motorcycle', 'oar', 'paper',
    'paraglide', 'person', 'pig', 'pole', 'potted plant', 'puck', 'rack', 'rhino', 'rope', 'sail', 'scale', 'scooter',
    'selfie stick', 'sheep', 'skateboard', 'ski', 'ski poles', 'snake', 'snowboard', 'stick', 'stroller', 'surfboard',
    'swing', 'tennis racket', 'tractor', 'trailer', 'train', 'truck', 'turtle', 'varanus', 'violin', 'wheelchair')
"""The 78 categories of DAVIS 2017, alphabetical ("chamaleon" is spelled so)."""

CATEGORIES: dict[str, tuple[str, ...]] = dict(
    ref_youtube_vos=REF_YOUTUBE_VOS_CATEGORIES, ref_davis=REF_DAVIS_CATEGORIES)
"""Lists by the name that settings use."""


def category_number(name: str, categories: tuple[str, ...] = REF_YOUTUBE_VOS_CATEGORIES) -> int:
    """Number of a category, from 0.

    Raises:
        ValueError: there is no such category.
    """
    if name not in categories:
        raise ValueError(f'category {name!r} is none of the {len(categories)}: {", ".join(categories)}')
    return categories.index(name)
