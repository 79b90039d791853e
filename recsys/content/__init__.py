"""Embedders: from the texts and images of a table to vectors, by name.

An embedder is built as ``EMBEDDERS[kind](config, materials)``; see `recsys.content.embedder` for what it does.
"""

from recsys.choices import Choices
from recsys.content.embedder import Embedder, EmbedderContext, HasWordVectors, Learner

EMBEDDERS: Choices[type[Embedder]] = Choices(
    "embedder",
    {
        "sentence": "recsys.content.text.sentence:Sentence",
        "image": "recsys.content.image.pretrained:PretrainedImage",
        "word2vec": "recsys.content.text.word2vec:Word2Vec",
        "fasttext": "recsys.content.text.word2vec:FastText",
        "glove": "recsys.content.text.glove:Glove",
        "dan": "recsys.content.text.dan:Dan",
        "elmo": "recsys.content.text.elmo:Elmo",
        "masked": "recsys.content.text.transformer:Masked",
        "causal": "recsys.content.text.transformer:Causal",
        "pca": "recsys.content.transforms.pca:Pca",
        "contrastive_alignment": "recsys.content.transforms.contrastive_alignment:ContrastiveAlignment",
        "autoencoder": "recsys.content.image.autoencoder:Autoencoder",
        "metric_learning": "recsys.content.transforms.metric_learning:MetricLearning",
        "finetuned_transformer": "recsys.content.text.finetuned_transformer:FinetunedTransformer",
        "universal": "recsys.content.text.universal:Universal",
        "concat": "recsys.content.transforms.concat:Concat",
        "projection_head": "recsys.content.transforms.projection_head:ProjectionHead",
        "hashing": "recsys.content.baselines:HashedText",
        "colours": "recsys.content.baselines:Colours",
    },
)

__all__ = ["EMBEDDERS", "Embedder", "HasWordVectors", "Learner", "EmbedderContext"]
