"""Embedders: from the texts and images of a table to vectors, by name.

An embedder is built as ``EMBEDDERS[kind](config, materials)``; see `recsys.content.embedder` for what it does.
"""

from recsys.choices import Choices
from recsys.content.embedder import Embedder, KnowsWords, Learner, Materials

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
        "reduced": "recsys.content.transforms.pca:Reduced",
        "aligned": "recsys.content.transforms.contrastive_alignment:Aligned",
        "autoencoder": "recsys.content.image.autoencoder:Autoencoder",
        "metric": "recsys.content.transforms.metric_learning:Metric",
        "finetuned": "recsys.content.text.finetuned_transformer:Finetuned",
        "universal": "recsys.content.text.universal:Universal",
        "joined": "recsys.content.transforms.concat:Joined",
        "tuned": "recsys.content.transforms.projection_head:Tuned",
        "hashing": "recsys.content.baselines:HashedText",
        "colours": "recsys.content.baselines:Colours",
    },
)

__all__ = ["EMBEDDERS", "Embedder", "KnowsWords", "Learner", "Materials"]
