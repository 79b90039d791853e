"""Sequence encoders (of user histories), by name.

An encoder is built as ``SEQUENCES[name].build(shape)`` from a `SequenceShape` and turns the item vectors of a history
into one vector at every position, which depends on the positions before it alone; a position without any gets a
learned vector. `forward` takes padded histories (training), `encode_last` packed ones (serving).
"""

from recsys.choices import Choices
from recsys.encoders.sequence.encoder import SequenceEncoder, SequenceShape

SEQUENCES: Choices[type[SequenceEncoder]] = Choices(
    "history encoder",
    {
        "decayed": "recsys.encoders.sequence.pooling:DecayedPooling",
        "learned": "recsys.encoders.sequence.pooling:LearnedPooling",
        "gru": "recsys.encoders.sequence.gru:GruEncoder",
        "transformer": "recsys.encoders.sequence.transformer:TransformerEncoder",
        "hstu": "recsys.encoders.sequence.hstu:HstuEncoder",
        "masked": "recsys.encoders.sequence.masked:MaskedEncoder",
    },
)

__all__ = ["SEQUENCES", "SequenceEncoder", "SequenceShape"]
