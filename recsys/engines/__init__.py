"""Everything that recommends, by name."""

from recsys.choices import Choices
from recsys.engine import Engine

ENGINES: Choices[type[Engine]] = Choices(
    "engine",
    {
        "popularity": "recsys.engines.baselines.popularity:Popularity",
        "trend": "recsys.engines.baselines.trend:Trend",
        "itemknn": "recsys.engines.baselines.itemknn:ItemKnn",
        "ease": "recsys.engines.baselines.ease:Ease",
        "als": "recsys.engines.baselines.als:Als",
        "bpr": "recsys.engines.baselines.bpr:Bpr",
        "item2vec": "recsys.engines.skip_gram.item2vec:Item2Vec",
        "spectral": "recsys.engines.graph.spectral:Spectral",
        "node2vec": "recsys.engines.graph.node2vec:Node2Vec",
        "sage": "recsys.engines.graph.sage:Sage",
        "lightgcn": "recsys.engines.graph.lightgcn:LightGcn",
        "hybrid": "recsys.engines.ensemble.hybrid:Hybrid",
        "content_knn": "recsys.engines.baselines.content_knn:ContentKnn",
        "two_tower": "recsys.engines.two_tower.two_tower:TwoTower",
        "sequence": "recsys.engines.two_tower.sequence:Sequence",
    },
)
