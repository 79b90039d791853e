"""What the server of test processes imports once: PyTorch, and what its first optimizer imports."""

from recsys.training import loop
from recsys.training.deterministic import preload

preload()
__all__ = ["loop"]
