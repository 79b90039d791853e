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
    from recsys.content import AutoencoderEmbedder as AutoencoderEmbedder
    from recsys.content import CausalLMEmbedder as CausalLMEmbedder
    from recsys.content import ColourEmbedder as ColourEmbedder
    from recsys.content import ConcatEmbedder as ConcatEmbedder
    from recsys.content import ContrastiveAlignment as ContrastiveAlignment
    from recsys.content import DANEmbedder as DANEmbedder
    from recsys.content import ELMoEmbedder as ELMoEmbedder
    from recsys.content import FastTextEmbedder as FastTextEmbedder
    from recsys.content import FinetunedTransformer as FinetunedTransformer
    from recsys.content import GloVeEmbedder as GloVeEmbedder
    from recsys.content import HashingEmbedder as HashingEmbedder
    from recsys.content import ImageEmbedder as ImageEmbedder
    from recsys.content import MaskedLMEmbedder as MaskedLMEmbedder
    from recsys.content import MetricLearningEmbedder as MetricLearningEmbedder
    from recsys.content import PCAEmbedder as PCAEmbedder
    from recsys.content import ProjectionHead as ProjectionHead
    from recsys.content import SentenceEmbedder as SentenceEmbedder
    from recsys.content import UniversalSentenceEmbedder as UniversalSentenceEmbedder
    from recsys.content import Word2VecEmbedder as Word2VecEmbedder
    from recsys.content import text_table as text_table
    from recsys.data.dataset import Dataset as Dataset
    from recsys.data.read import load_dataset as load_dataset
    from recsys.data.read import read_dataset as read_dataset
    from recsys.data.splits.holdout import Holdout as Holdout
    from recsys.data.splits.partition import Split as Split
    from recsys.data.splits.split import split as split
    from recsys.embedding_table import EmbeddingTable as EmbeddingTable
    from recsys.engine import Engine as Engine
    from recsys.engine import FitContext as FitContext
    from recsys.engine import Request as Request
    from recsys.engine import Vectors as Vectors
    from recsys.engines.auto.auto import AutoRecommender as AutoRecommender
    from recsys.engines.baselines.als import ALS as ALS
    from recsys.engines.baselines.bpr import BPR as BPR
    from recsys.engines.baselines.content_knn import ContentKNN as ContentKNN
    from recsys.engines.baselines.ease import EASE as EASE
    from recsys.engines.baselines.frequency import Frequency as Frequency
    from recsys.engines.baselines.itemknn import ItemKNN as ItemKNN
    from recsys.engines.baselines.popularity import Popularity as Popularity
    from recsys.engines.baselines.trend import Trend as Trend
    from recsys.engines.ensemble.hybrid import Hybrid as Hybrid
    from recsys.engines.graph.lightgcn import LightGCN as LightGCN
    from recsys.engines.graph.node2vec import Node2Vec as Node2Vec
    from recsys.engines.graph.sage import GraphSAGE as GraphSAGE
    from recsys.engines.graph.spectral import Spectral as Spectral
    from recsys.engines.skip_gram.item2vec import Item2Vec as Item2Vec
    from recsys.engines.two_tower.sequence import HSTU as HSTU
    from recsys.engines.two_tower.sequence import BERT4Rec as BERT4Rec
    from recsys.engines.two_tower.sequence import GRU4Rec as GRU4Rec
    from recsys.engines.two_tower.sequence import SASRec as SASRec
    from recsys.engines.two_tower.sequence import SequenceModel as SequenceModel
    from recsys.engines.two_tower.two_tower import TwoTower as TwoTower
    from recsys.errors import ArtifactError as ArtifactError
    from recsys.errors import ConfigError as ConfigError
    from recsys.errors import DataError as DataError
    from recsys.errors import PromotionError as PromotionError
    from recsys.errors import RecsysError as RecsysError
    from recsys.evaluation.compare import evaluate_engines as evaluate
    from recsys.evaluation.compare import evaluate_lists as evaluate_lists
    from recsys.evaluation.report.report import Report as Report
    from recsys.export.export import export_bundle as export_bundle
    from recsys.registry.bundle import Bundle as Bundle
    from recsys.registry.load import load as load
    from recsys.retrieval.databases.postgres import load_postgres as load_postgres
    from recsys.retrieval.databases.redis import write_redis as write_redis
    from recsys.retrieval.frames import embeddings as embeddings
    from recsys.retrieval.frames import recommend as recommend
    from recsys.retrieval.frames import score as score
    from recsys.retrieval.frames import similar_items as similar_items
    from recsys.retrieval.manifest import read_recommendations as read_recommendations
    from recsys.retrieval.write import write_recommendations as write_recommendations
    from recsys.retrieval.write import write_similar_items as write_similar_items

__version__ = "0.1.0"

_HOMES = {
    "load_dataset": "recsys.data.read:load_dataset",
    "read_dataset": "recsys.data.read:read_dataset",
    "Dataset": "recsys.data.dataset:Dataset",
    "split": "recsys.data.splits.split:split",
    "Holdout": "recsys.data.splits.holdout:Holdout",
    "Split": "recsys.data.splits.partition:Split",
    "Popularity": "recsys.engines.baselines.popularity:Popularity",
    "Frequency": "recsys.engines.baselines.frequency:Frequency",
    "ItemKNN": "recsys.engines.baselines.itemknn:ItemKNN",
    "EASE": "recsys.engines.baselines.ease:EASE",
    "ALS": "recsys.engines.baselines.als:ALS",
    "BPR": "recsys.engines.baselines.bpr:BPR",
    "ContentKNN": "recsys.engines.baselines.content_knn:ContentKNN",
    "Trend": "recsys.engines.baselines.trend:Trend",
    "Item2Vec": "recsys.engines.skip_gram.item2vec:Item2Vec",
    "Spectral": "recsys.engines.graph.spectral:Spectral",
    "LightGCN": "recsys.engines.graph.lightgcn:LightGCN",
    "GraphSAGE": "recsys.engines.graph.sage:GraphSAGE",
    "Node2Vec": "recsys.engines.graph.node2vec:Node2Vec",
    "SASRec": "recsys.engines.two_tower.sequence:SASRec",
    "GRU4Rec": "recsys.engines.two_tower.sequence:GRU4Rec",
    "BERT4Rec": "recsys.engines.two_tower.sequence:BERT4Rec",
    "HSTU": "recsys.engines.two_tower.sequence:HSTU",
    "SequenceModel": "recsys.engines.two_tower.sequence:SequenceModel",
    "TwoTower": "recsys.engines.two_tower.two_tower:TwoTower",
    "AutoRecommender": "recsys.engines.auto.auto:AutoRecommender",
    "Hybrid": "recsys.engines.ensemble.hybrid:Hybrid",
    "Engine": "recsys.engine:Engine",
    "FitContext": "recsys.engine:FitContext",
    "Request": "recsys.engine:Request",
    "Vectors": "recsys.engine:Vectors",
    "EmbeddingTable": "recsys.embedding_table:EmbeddingTable",
    "evaluate": "recsys.evaluation.compare:evaluate_engines",
    "evaluate_lists": "recsys.evaluation.compare:evaluate_lists",
    "Report": "recsys.evaluation.report.report:Report",
    "recommend": "recsys.retrieval.frames:recommend",
    "score": "recsys.retrieval.frames:score",
    "similar_items": "recsys.retrieval.frames:similar_items",
    "embeddings": "recsys.retrieval.frames:embeddings",
    "write_recommendations": "recsys.retrieval.write:write_recommendations",
    "write_similar_items": "recsys.retrieval.write:write_similar_items",
    "read_recommendations": "recsys.retrieval.manifest:read_recommendations",
    "load_postgres": "recsys.retrieval.databases.postgres:load_postgres",
    "write_redis": "recsys.retrieval.databases.redis:write_redis",
    "export_bundle": "recsys.export.export:export_bundle",
    "SentenceEmbedder": "recsys.content:SentenceEmbedder",
    "ImageEmbedder": "recsys.content:ImageEmbedder",
    "Word2VecEmbedder": "recsys.content:Word2VecEmbedder",
    "FastTextEmbedder": "recsys.content:FastTextEmbedder",
    "GloVeEmbedder": "recsys.content:GloVeEmbedder",
    "DANEmbedder": "recsys.content:DANEmbedder",
    "ELMoEmbedder": "recsys.content:ELMoEmbedder",
    "MaskedLMEmbedder": "recsys.content:MaskedLMEmbedder",
    "CausalLMEmbedder": "recsys.content:CausalLMEmbedder",
    "AutoencoderEmbedder": "recsys.content:AutoencoderEmbedder",
    "UniversalSentenceEmbedder": "recsys.content:UniversalSentenceEmbedder",
    "PCAEmbedder": "recsys.content:PCAEmbedder",
    "ConcatEmbedder": "recsys.content:ConcatEmbedder",
    "ContrastiveAlignment": "recsys.content:ContrastiveAlignment",
    "MetricLearningEmbedder": "recsys.content:MetricLearningEmbedder",
    "ProjectionHead": "recsys.content:ProjectionHead",
    "FinetunedTransformer": "recsys.content:FinetunedTransformer",
    "HashingEmbedder": "recsys.content:HashingEmbedder",
    "ColourEmbedder": "recsys.content:ColourEmbedder",
    "text_table": "recsys.content:text_table",
    "Bundle": "recsys.registry.bundle:Bundle",
    "load": "recsys.registry.load:load",
    "RecsysError": "recsys.errors:RecsysError",
    "DataError": "recsys.errors:DataError",
    "ConfigError": "recsys.errors:ConfigError",
    "ArtifactError": "recsys.errors:ArtifactError",
    "PromotionError": "recsys.errors:PromotionError",
}
"""Name -> where it is imported from when it is first used."""

__all__ = [
    "ALS",
    "BPR",
    "EASE",
    "HSTU",
    "ArtifactError",
    "AutoRecommender",
    "AutoencoderEmbedder",
    "BERT4Rec",
    "Bundle",
    "CausalLMEmbedder",
    "ColourEmbedder",
    "ConcatEmbedder",
    "ConfigError",
    "ContentKNN",
    "ContrastiveAlignment",
    "DANEmbedder",
    "DataError",
    "Dataset",
    "ELMoEmbedder",
    "EmbeddingTable",
    "Engine",
    "FastTextEmbedder",
    "FinetunedTransformer",
    "FitContext",
    "Frequency",
    "GRU4Rec",
    "GloVeEmbedder",
    "GraphSAGE",
    "HashingEmbedder",
    "Holdout",
    "Hybrid",
    "ImageEmbedder",
    "Item2Vec",
    "ItemKNN",
    "LightGCN",
    "MaskedLMEmbedder",
    "MetricLearningEmbedder",
    "Node2Vec",
    "PCAEmbedder",
    "Popularity",
    "ProjectionHead",
    "PromotionError",
    "RecsysError",
    "Report",
    "Request",
    "SASRec",
    "SentenceEmbedder",
    "SequenceModel",
    "Spectral",
    "Split",
    "Trend",
    "TwoTower",
    "UniversalSentenceEmbedder",
    "Vectors",
    "Word2VecEmbedder",
    "embeddings",
    "evaluate",
    "evaluate_lists",
    "export_bundle",
    "load",
    "load_dataset",
    "load_postgres",
    "read_dataset",
    "read_recommendations",
    "recommend",
    "score",
    "similar_items",
    "split",
    "text_table",
    "write_recommendations",
    "write_redis",
    "write_similar_items",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'recsys' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value: object = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
