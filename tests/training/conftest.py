from tests.training.processes import unused_port

__all__ = ["unused_port"]
