"""Train and test a dummy, one process of possibly several: ``run_dummy.py WORK_DIR JSON_OF_SETTINGS``."""

import json
import sys
from pathlib import Path

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.model import is_model_wrapper

from mmlvs.engine import Runner
from tests.doors.dummies import dummy_config


def main() -> None:
    work_dir, settings = sys.argv[1], json.loads(sys.argv[2])
    runner = Runner.from_cfg(Config(dummy_config(work_dir, **settings)))
    runner.train()
    scores = runner.test()
    if is_main_process():
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        weights = {k: v.flatten().tolist() for k, v in model.state_dict().items()}
        Path(work_dir, 'result.json').write_text(json.dumps(dict(scores=scores, weights=weights)))


if __name__ == '__main__':
    main()
