"""Language models: a masked model is scored at the places that it does not see."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from recsys.atomic import read_json, write_json
from recsys.content import EmbedderContext, MaskedLMEmbedder
from recsys.data.entities import EntityTable
from recsys.data.schema import Schema
from recsys.data.vocabulary import Vocabulary
from recsys.seeding import stream
from tests.content.tiny_models import save_bert

TITLES = ["robot", "alien story of a king and a dog in space"]

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def test_the_masked_loss_is_the_cross_entropy_at_the_hidden_tokens(tmp_path):
    embedder = MaskedLMEmbedder(model=str(save_bert(tmp_path / "bert")), mask_share=0.5)
    model, seen = embedder.model, {}
    plain = model.forward

    def forward(**inputs):
        seen.update(inputs)
        return plain(**inputs)

    model.forward = forward
    ids = embedder.tokenizer(["alien story of a robot", "king and war in space"], return_tensors="pt")
    tokens = {"input_ids": ids["input_ids"], "attention_mask": ids["attention_mask"]}
    loss = embedder.token_loss(model, tokens, stream(0, "masks"))
    draw = torch.from_numpy(stream(0, "masks").random(tuple(ids["input_ids"].shape)))
    special = torch.tensor(embedder.tokenizer.all_special_ids)
    hidden = (draw < 0.5) & ~torch.isin(ids["input_ids"], special)
    with torch.no_grad():
        logits = plain(**seen).logits
    assert logits.shape[:2] == ids["input_ids"].shape, "the model itself is as it was"
    expected = nn.functional.cross_entropy(logits[hidden], ids["input_ids"][hidden])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert np.isfinite(loss.item())


@pytest.mark.parametrize("pooling", ["mean", "first", "last"])
def test_a_text_is_embedded_alike_beside_a_longer_one_whatever_side_the_tokenizer_pads(pooling, tmp_path):
    bert = save_bert(tmp_path / "bert")
    said = bert / "tokenizer_config.json"
    write_json(said, {**read_json(said), "padding_side": "left"})
    vectors = []
    for size in (1, 2):
        embedder = MaskedLMEmbedder(model=str(bert), pooling=pooling, batch_size=size)
        table = EntityTable(Vocabulary(np.arange(2)), pd.DataFrame({"title": TITLES}), Schema.of({"title": "text"}))
        vectors.append(embedder.embed(table, EmbedderContext(tmp_path / str(size))).vectors)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-5)
