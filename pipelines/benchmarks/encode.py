"""Cost of an embedder relative to the model's own encoding, on first and cached use, and for a folder of posters.

``python -m pipelines.benchmarks.encode`` encodes short texts by ``SentenceTransformer.encode`` on length-sorted batches
and by the embedder, a thousand by each in turn, so that other load affects both alike. The ratio of the CPU times
should be at most 1.1, and 0.01 with a filled cache. ``--posters 4000`` decodes, embeds and caches so many posters of
MovieLens 1M, or all there are (at most 180 seconds for 4,000 on two cores), and prints the time of decoding and of
embedding.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer


def main(
    texts: Annotated[int, typer.Option(help="How many short texts.")] = 10_000,
    posters: Annotated[int, typer.Option(help="How many posters.")] = 0,
) -> None:
    """Prints CPU seconds and their ratios."""
    with tempfile.TemporaryDirectory() as cache:
        if texts:
            _texts(texts, Path(cache))
        if posters:
            _posters(posters, Path(cache))


def _texts(n: int, cache: Path) -> None:
    import numpy as np
    import pandas as pd

    from recsys.content import EmbedderContext, SentenceEmbedder
    from recsys.data.entities import EntityTable
    from recsys.data.schema import Schema
    from recsys.data.vocabulary import Vocabulary
    from recsys.seeding import stream

    rng = stream(0, "texts")
    words = [f"{a}{b}" for a in ("sun", "moon", "sea", "war", "love", "king") for b in ("light", "rise", "man", "")]
    texts = [f"{' '.join(rng.choice(words, rng.integers(3, 12)))} {row}" for row in range(n)]
    table = EntityTable(Vocabulary(np.arange(n)), pd.DataFrame({"title": texts}), Schema.of({"title": "text"}))
    embedder, context = SentenceEmbedder(), EmbedderContext(cache)
    embedder.model.encode(texts[:64])
    plain = ours = 0.0
    for start in range(0, n, 1000):
        part = np.arange(start, min(start + 1000, n))
        ordered = sorted(texts[start : start + 1000], key=len)
        plain += _spent(partial(embedder.model.encode, ordered, batch_size=32))
        ours += _spent(partial(embedder.embed, table.take(part), context))
    again = _spent(lambda: SentenceEmbedder().embed(table, context))
    print(f"{n} texts: encode {plain:.1f} s, embedder {ours / plain:.3f} of it, second run {again / plain:.4f} of it")


def _posters(n: int, cache: Path) -> None:
    import numpy as np

    from recsys.content import EmbedderContext, ImageEmbedder
    from recsys.content.image.pixels import PixelStore
    from recsys.data.ingest.config import DataConfig
    from recsys.data.ingest.readers import ingest
    from recsys.data.sources import resolve

    config = resolve(DataConfig(source="movielens-1m"))
    assert config.items is not None, "the source has items"
    embedder, context = ImageEmbedder(), EmbedderContext(cache, images=config.items.parent)
    items = ingest(config).data.items
    items = items.take(np.flatnonzero(items.columns["poster"].notna())[:n])
    start = time.perf_counter()
    decoding = _spent(lambda: PixelStore(context, embedder.config.columns, embedder.config.side).read(items))
    embedding = _spent(lambda: embedder.embed(items, context))
    wall, n = time.perf_counter() - start, len(items)
    print(
        f"{n} posters: {wall:.0f} s, {decoding + embedding:.0f} s of processor time "
        f"({1000 * decoding / n:.1f} ms a poster to decode, {1000 * embedding / n:.1f} to embed)"
    )


def _spent(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    typer.run(main)
