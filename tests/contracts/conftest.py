"""Tiny models that several contract tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.content import tiny_models


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def tiny_sentence_model(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_sentence_model(tmp_path_factory.mktemp("sentence"), tiny_bert)


@pytest.fixture(scope="session")
def tiny_vit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_models.save_vit(tmp_path_factory.mktemp("vit"))
