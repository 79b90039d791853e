"""Embedders: from the texts and images of a table to vectors, by kind or by class.

``EMBEDDERS["sentence"]`` is `SentenceEmbedder`; a class is imported when it is first looked up, so that the packages it
needs are too. Which one to use:

| kind | class | use it for |
|---|---|---|
| ``sentence`` | `SentenceEmbedder` | texts, first choice: pretrained, nothing to train |
| ``universal`` | `UniversalSentenceEmbedder` | texts, where a TensorFlow encoder is at hand |
| ``masked``, ``causal`` | `MaskedLMEmbedder`, `CausalLMEmbedder` | texts of a language without a sentence model |
| ``word2vec``, ``fasttext``, ``glove`` | `Word2VecEmbedder`, `FastTextEmbedder`, `GloVeEmbedder` | texts, without \
pretrained weights; word vectors are wanted too |
| ``dan``, ``elmo`` | `DANEmbedder`, `ELMoEmbedder` | small networks trained on the catalogue itself |
| ``hashing`` | `HashingEmbedder` | a baseline and a stand-in for texts |
| ``image`` | `ImageEmbedder` | photographs and posters, first choice |
| ``autoencoder`` | `AutoencoderEmbedder` | images that are unlike photographs, without labels |
| ``colours`` | `ColourEmbedder` | a baseline and a stand-in for images |
| ``pca`` | `PCAEmbedder` | fewer dimensions of another embedder |
| ``concat`` | `ConcatEmbedder` | several embedders as one vector |
| ``projection_head`` | `ProjectionHead` | another embedder, adapted to behaviour in seconds |
| ``finetuned_transformer`` | `FinetunedTransformer` | the sentence model itself, adapted to behaviour |
| ``metric_learning`` | `MetricLearningEmbedder` | a space in which items of one label are near |
| ``contrastive_alignment`` | `ContrastiveAlignment` | texts and images in one space |
"""

from typing import TYPE_CHECKING

from recsys.choices import Choices
from recsys.content.embedder import Embedder, EmbedderConfig, EmbedderContext, HasWordVectors, Learner
from recsys.content.tables import text_table

if TYPE_CHECKING:
    from recsys.content.image.autoencoder import AutoencoderEmbedder
    from recsys.content.image.colours import ColourEmbedder
    from recsys.content.image.pretrained import ImageEmbedder
    from recsys.content.text.dan import DANEmbedder
    from recsys.content.text.elmo import ELMoEmbedder
    from recsys.content.text.finetuned_transformer import FinetunedTransformer
    from recsys.content.text.glove import GloVeEmbedder
    from recsys.content.text.hashing import HashingEmbedder
    from recsys.content.text.language_models import CausalLMEmbedder, MaskedLMEmbedder
    from recsys.content.text.sentence import SentenceEmbedder
    from recsys.content.text.universal import UniversalSentenceEmbedder
    from recsys.content.text.word2vec import FastTextEmbedder, Word2VecEmbedder
    from recsys.content.transforms.concat import ConcatEmbedder
    from recsys.content.transforms.contrastive_alignment import ContrastiveAlignment
    from recsys.content.transforms.metric_learning import MetricLearningEmbedder
    from recsys.content.transforms.pca import PCAEmbedder
    from recsys.content.transforms.projection_head import ProjectionHead

_ENTRIES = {
    "sentence": "recsys.content.text.sentence:SentenceEmbedder",
    "image": "recsys.content.image.pretrained:ImageEmbedder",
    "word2vec": "recsys.content.text.word2vec:Word2VecEmbedder",
    "fasttext": "recsys.content.text.word2vec:FastTextEmbedder",
    "glove": "recsys.content.text.glove:GloVeEmbedder",
    "dan": "recsys.content.text.dan:DANEmbedder",
    "elmo": "recsys.content.text.elmo:ELMoEmbedder",
    "masked": "recsys.content.text.language_models:MaskedLMEmbedder",
    "causal": "recsys.content.text.language_models:CausalLMEmbedder",
    "pca": "recsys.content.transforms.pca:PCAEmbedder",
    "contrastive_alignment": "recsys.content.transforms.contrastive_alignment:ContrastiveAlignment",
    "autoencoder": "recsys.content.image.autoencoder:AutoencoderEmbedder",
    "metric_learning": "recsys.content.transforms.metric_learning:MetricLearningEmbedder",
    "finetuned_transformer": "recsys.content.text.finetuned_transformer:FinetunedTransformer",
    "universal": "recsys.content.text.universal:UniversalSentenceEmbedder",
    "concat": "recsys.content.transforms.concat:ConcatEmbedder",
    "projection_head": "recsys.content.transforms.projection_head:ProjectionHead",
    "hashing": "recsys.content.text.hashing:HashingEmbedder",
    "colours": "recsys.content.image.colours:ColourEmbedder",
}
EMBEDDERS: Choices[type[Embedder[EmbedderConfig]]] = Choices("embedder", _ENTRIES)
"""Kind -> class."""

_KINDS = {entry.split(":")[1]: kind for kind, entry in _ENTRIES.items()}

__all__ = [
    "EMBEDDERS",
    "AutoencoderEmbedder",
    "CausalLMEmbedder",
    "ColourEmbedder",
    "ConcatEmbedder",
    "ContrastiveAlignment",
    "DANEmbedder",
    "ELMoEmbedder",
    "Embedder",
    "EmbedderConfig",
    "EmbedderContext",
    "FastTextEmbedder",
    "FinetunedTransformer",
    "GloVeEmbedder",
    "HasWordVectors",
    "HashingEmbedder",
    "ImageEmbedder",
    "Learner",
    "MaskedLMEmbedder",
    "MetricLearningEmbedder",
    "PCAEmbedder",
    "ProjectionHead",
    "SentenceEmbedder",
    "UniversalSentenceEmbedder",
    "Word2VecEmbedder",
    "text_table",
]


def __getattr__(name: str) -> type[Embedder[EmbedderConfig]]:
    if name not in _KINDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return EMBEDDERS[_KINDS[name]]


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
