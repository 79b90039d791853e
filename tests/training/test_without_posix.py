"""Where Python has no modules of POSIX, as on Windows, models are trained and texts are cached all the same."""

import subprocess
import sys

CODE = """
import sys
from pathlib import Path

sys.modules.update(dict.fromkeys(("fcntl", "resource"), None))  # which an import then says are missing

import numpy as np

from recsys.content.cache import ContentCache, content_key
from recsys.data.synthetic.worlds import BlockTaste
from recsys.engine import FitContext
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.training.cost import measured

folder = Path(sys.argv[1])
data = BlockTaste(users=20, items=14).dataset()
with measured() as cost:
    for _ in range(2):
        TwoTower(dim=8, epochs=2).fit(data, context=FitContext(directory=folder / "checkpoints"))
assert cost.seconds > 0
texts = ContentCache(folder / "cache").through([content_key("a text")], lambda rows: np.ones((len(rows), 2), "f4"))
print(texts.tolist(), [path.name for path in (folder / "checkpoints").iterdir()])
"""


def test_a_training_keeps_its_checkpoint_and_a_cache_its_records(tmp_path):
    done = subprocess.run([sys.executable, "-c", CODE, str(tmp_path)], capture_output=True, text=True, timeout=300)
    assert done.stdout == "[[1.0, 1.0]] ['training.safetensors']\n", done.stderr
