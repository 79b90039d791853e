"""Learned embeddings of users and items, turned into recommendations.

    import recsys as rs

    data = rs.load_dataset("movielens-100k")
    split = rs.split(data, "leave_one_out")
    ease = rs.EASE(decay=0.9).fit(data, split.train)
    report = rs.evaluate({"ease": ease}, data, split.test)

Every name below is imported when it is first used; `import recsys` alone loads neither torch nor pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from recsys.content import (
        AutoencoderEmbedder as AutoencoderEmbedder,
    )
    from recsys.content import (
        CausalLMEmbedder as CausalLMEmbedder,
    )
    from recsys.content import (
        ColourEmbedder as ColourEmbedder,
    )
    from recsys.content import (
        ConcatEmbedder as ConcatEmbedder,
    )
    from recsys.content import (
        ContrastiveAlignment as ContrastiveAlignment,
    )
    from recsys.content import (
        DANEmbedder as DANEmbedder,
    )
    from recsys.content import (
        ELMoEmbedder as ELMoEmbedder,
    )
    from recsys.content import (
        FastTextEmbedder as FastTextEmbedder,
    )
    from recsys.content import (
        FinetunedTransformer as FinetunedTransformer,
    )
    from recsys.content import (
        GloVeEmbedder as GloVeEmbedder,
    )
    from recsys.content import (
        HashingEmbedder as HashingEmbedder,
    )
    from recsys.content import (
        ImageEmbedder as ImageEmbedder,
    )
    from recsys.content import (
        MaskedLMEmbedder as MaskedLMEmbedder,
    )
    from recsys.content import (
        MetricLearningEmbedder as MetricLearningEmbedder,
    )
    from recsys.content import (
        PCAEmbedder as PCAEmbedder,
    )
    from recsys.content import (
        ProjectionHead as ProjectionHead,
    )
    from recsys.content import (
        SentenceEmbedder as SentenceEmbedder,
    )
    from recsys.content import (
        UniversalSentenceEmbedder as UniversalSentenceEmbedder,
    )
    from recsys.content import (
        Word2VecEmbedder as Word2VecEmbedder,
    )
    from recsys.content import (
        text_table as text_table,
    )
    from recsys.data.dataset import Dataset as Dataset
    from recsys.data.splits.holdout import Holdout as Holdout
    from recsys.data.splits.partition import Split as Split
    from recsys.data.splits.split import split as split
    from recsys.embedding_table import EmbeddingTable as EmbeddingTable
    from recsys.engine import Engine as Engine
    from recsys.engine import FitContext as FitContext
    from recsys.engine import Request as Request
    from recsys.engine import Vectors as Vectors
    from recsys.engines.baselines.als import ALS as ALS
    from recsys.engines.baselines.bpr import BPR as BPR
    from recsys.engines.baselines.content_knn import ContentKNN as ContentKNN
    from recsys.engines.baselines.ease import EASE as EASE
    from recsys.engines.baselines.itemknn import ItemKNN as ItemKNN
    from recsys.engines.baselines.popularity import Popularity as Popularity
    from recsys.engines.baselines.trend import Trend as Trend
    from recsys.engines.ensemble.hybrid import Hybrid as Hybrid
    from recsys.engines.graph.lightgcn import LightGCN as LightGCN
    from recsys.engines.graph.node2vec import Node2Vec as Node2Vec
    from recsys.engines.graph.sage import GraphSAGE as GraphSAGE
    from recsys.engines.graph.spectral import Spectral as Spectral
    from recsys.engines.skip_gram.item2vec import Item2Vec as Item2Vec
    from recsys.engines.two_tower.sequence import (
        HSTU as HSTU,
    )
    from recsys.engines.two_tower.sequence import (
        BERT4Rec as BERT4Rec,
    )
    from recsys.engines.two_tower.sequence import (
        GRU4Rec as GRU4Rec,
    )
    from recsys.engines.two_tower.sequence import (
        SASRec as SASRec,
    )
    from recsys.engines.two_tower.sequence import (
        SequenceModel as SequenceModel,
    )
    from recsys.engines.two_tower.two_tower import TwoTower as TwoTower
    from recsys.errors import (
        ArtifactError as ArtifactError,
    )
    from recsys.errors import (
        ConfigError as ConfigError,
    )
    from recsys.errors import (
        DataError as DataError,
    )
    from recsys.errors import (
        PromotionError as PromotionError,
    )
    from recsys.errors import (
        RecsysError as RecsysError,
    )
    from recsys.evaluation.evaluate import evaluate as evaluate
    from recsys.registry.bundle import Bundle as Bundle
    from recsys.registry.load import load as load

__version__ = "0.1.0"

_HOMES = {
    "Dataset": "recsys.data.dataset",
    "split": "recsys.data.splits.split",
    "Holdout": "recsys.data.splits.holdout",
    "Split": "recsys.data.splits.partition",
    "Popularity": "recsys.engines.baselines.popularity",
    "ItemKNN": "recsys.engines.baselines.itemknn",
    "EASE": "recsys.engines.baselines.ease",
    "ALS": "recsys.engines.baselines.als",
    "BPR": "recsys.engines.baselines.bpr",
    "ContentKNN": "recsys.engines.baselines.content_knn",
    "Trend": "recsys.engines.baselines.trend",
    "Item2Vec": "recsys.engines.skip_gram.item2vec",
    "Spectral": "recsys.engines.graph.spectral",
    "LightGCN": "recsys.engines.graph.lightgcn",
    "GraphSAGE": "recsys.engines.graph.sage",
    "Node2Vec": "recsys.engines.graph.node2vec",
    "SASRec": "recsys.engines.two_tower.sequence",
    "GRU4Rec": "recsys.engines.two_tower.sequence",
    "BERT4Rec": "recsys.engines.two_tower.sequence",
    "HSTU": "recsys.engines.two_tower.sequence",
    "SequenceModel": "recsys.engines.two_tower.sequence",
    "TwoTower": "recsys.engines.two_tower.two_tower",
    "Hybrid": "recsys.engines.ensemble.hybrid",
    "Engine": "recsys.engine",
    "FitContext": "recsys.engine",
    "Request": "recsys.engine",
    "Vectors": "recsys.engine",
    "EmbeddingTable": "recsys.embedding_table",
    "evaluate": "recsys.evaluation.evaluate",
    "SentenceEmbedder": "recsys.content",
    "ImageEmbedder": "recsys.content",
    "Word2VecEmbedder": "recsys.content",
    "FastTextEmbedder": "recsys.content",
    "GloVeEmbedder": "recsys.content",
    "DANEmbedder": "recsys.content",
    "ELMoEmbedder": "recsys.content",
    "MaskedLMEmbedder": "recsys.content",
    "CausalLMEmbedder": "recsys.content",
    "AutoencoderEmbedder": "recsys.content",
    "UniversalSentenceEmbedder": "recsys.content",
    "PCAEmbedder": "recsys.content",
    "ConcatEmbedder": "recsys.content",
    "ContrastiveAlignment": "recsys.content",
    "MetricLearningEmbedder": "recsys.content",
    "ProjectionHead": "recsys.content",
    "FinetunedTransformer": "recsys.content",
    "HashingEmbedder": "recsys.content",
    "ColourEmbedder": "recsys.content",
    "text_table": "recsys.content",
    "Bundle": "recsys.registry.bundle",
    "load": "recsys.registry.load",
    "RecsysError": "recsys.errors",
    "DataError": "recsys.errors",
    "ConfigError": "recsys.errors",
    "ArtifactError": "recsys.errors",
    "PromotionError": "recsys.errors",
}
"""Name -> the module that it is imported from, when it is first used."""

__all__ = [
    "Dataset",
    "split",
    "Holdout",
    "Split",
    "Popularity",
    "ItemKNN",
    "EASE",
    "ALS",
    "BPR",
    "ContentKNN",
    "Trend",
    "Item2Vec",
    "Spectral",
    "LightGCN",
    "GraphSAGE",
    "Node2Vec",
    "SASRec",
    "GRU4Rec",
    "BERT4Rec",
    "HSTU",
    "SequenceModel",
    "TwoTower",
    "Hybrid",
    "Engine",
    "FitContext",
    "Request",
    "Vectors",
    "EmbeddingTable",
    "evaluate",
    "SentenceEmbedder",
    "ImageEmbedder",
    "Word2VecEmbedder",
    "FastTextEmbedder",
    "GloVeEmbedder",
    "DANEmbedder",
    "ELMoEmbedder",
    "MaskedLMEmbedder",
    "CausalLMEmbedder",
    "AutoencoderEmbedder",
    "UniversalSentenceEmbedder",
    "PCAEmbedder",
    "ConcatEmbedder",
    "ContrastiveAlignment",
    "MetricLearningEmbedder",
    "ProjectionHead",
    "FinetunedTransformer",
    "HashingEmbedder",
    "ColourEmbedder",
    "text_table",
    "Bundle",
    "load",
    "RecsysError",
    "DataError",
    "ConfigError",
    "ArtifactError",
    "PromotionError",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'recsys' has no attribute {name!r}")
    value: object = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
