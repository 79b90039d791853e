"""Test workers share the cores: one thread each, in every process that a test starts too; tests on every device."""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")


def pytest_generate_tests(metafunc):
    """A test with an argument ``device`` runs on the CPU and, where there is one, on CUDA."""
    if "device" in metafunc.fixturenames:
        import torch  # here, for tests without tensors need not wait for it

        metafunc.parametrize("device", ["cpu", *(["cuda"] if torch.cuda.is_available() else [])])
