"""From vectors to lists: indexes that find the best items, filters, and batch recommendation."""

from recsys.choices import Choices
from recsys.retrieval.index import Index

INDEXES: Choices[type[Index]] = Choices(
    "index",
    {
        "exact": "recsys.ranking:Ranker",
        "faiss": "recsys.retrieval.approximate.search:Faiss",
        "hnsw": "recsys.retrieval.approximate.search:HNSW",
    },
)
