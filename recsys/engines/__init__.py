"""Everything that recommends, by name."""

from recsys.choices import Choices
from recsys.engine import Engine

ENGINES: Choices[type[Engine]] = Choices(
    "engine",
    {
        "popularity": "recsys.engines.popularity:Popularity",
        "trend": "recsys.engines.trend:Trend",
        "itemknn": "recsys.engines.itemknn:ItemKnn",
        "ease": "recsys.engines.ease:Ease",
        "als": "recsys.engines.als:Als",
        "bpr": "recsys.engines.bpr:Bpr",
        "item2vec": "recsys.engines.item2vec:Item2Vec",
        "spectral": "recsys.engines.spectral:Spectral",
        "node2vec": "recsys.engines.node2vec:Node2Vec",
        "sage": "recsys.engines.sage:Sage",
        "lightgcn": "recsys.engines.lightgcn:LightGcn",
        "hybrid": "recsys.engines.hybrid:Hybrid",
        "content_knn": "recsys.engines.content_knn:ContentKnn",
        "two_tower": "recsys.engines.two_tower:TwoTower",
        "sequence": "recsys.engines.sequence:Sequence",
    },
)
