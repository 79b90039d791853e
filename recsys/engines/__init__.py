"""Everything that recommends, by name."""

from recsys.choices import Choices
from recsys.engine import Engine

ENGINES: Choices[type[Engine]] = Choices(
    "engine",
    {
        "popularity": "recsys.engines.baselines.popularity:Popularity",
        "frequency": "recsys.engines.baselines.frequency:Frequency",
        "trend": "recsys.engines.baselines.trend:Trend",
        "itemknn": "recsys.engines.baselines.itemknn:ItemKNN",
        "ease": "recsys.engines.baselines.ease:EASE",
        "als": "recsys.engines.baselines.als:ALS",
        "bpr": "recsys.engines.baselines.bpr:BPR",
        "item2vec": "recsys.engines.skip_gram.item2vec:Item2Vec",
        "spectral": "recsys.engines.graph.spectral:Spectral",
        "node2vec": "recsys.engines.graph.node2vec:Node2Vec",
        "sage": "recsys.engines.graph.sage:GraphSAGE",
        "lightgcn": "recsys.engines.graph.lightgcn:LightGCN",
        "auto": "recsys.engines.auto.auto:AutoRecommender",
        "hybrid": "recsys.engines.ensemble.hybrid:Hybrid",
        "content_knn": "recsys.engines.baselines.content_knn:ContentKNN",
        "two_tower": "recsys.engines.two_tower.two_tower:TwoTower",
        "sequence": "recsys.engines.two_tower.sequence:SequenceModel",
        "sasrec": "recsys.engines.two_tower.sequence:SASRec",
        "gru4rec": "recsys.engines.two_tower.sequence:GRU4Rec",
        "bert4rec": "recsys.engines.two_tower.sequence:BERT4Rec",
        "hstu": "recsys.engines.two_tower.sequence:HSTU",
    },
)
