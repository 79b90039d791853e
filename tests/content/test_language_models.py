"""Language models: a masked model is scored at the places that it does not see."""

import numpy as np
import pytest
import torch
from torch import nn

from recsys.config import parse
from recsys.content import EMBEDDERS, Materials
from recsys.seeding import stream
from tests.content.tiny_models import save_bert

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")


def test_the_masked_loss_is_the_cross_entropy_at_the_hidden_tokens(tmp_path):
    cls = EMBEDDERS["masked"]
    embedder = cls(
        parse(cls.Config, {"model": str(save_bert(tmp_path / "bert")), "mask_share": 0.5}, "masked"),
        Materials(tmp_path),
    )
    model, seen = embedder.model, {}
    plain = model.forward

    def forward(**inputs):
        seen.update(inputs)
        return plain(**inputs)

    model.forward = forward
    ids = embedder.tokenizer(["alien story of a robot", "king and war in space"], return_tensors="pt")
    tokens = {"input_ids": ids["input_ids"], "attention_mask": ids["attention_mask"]}
    loss = embedder.guessing_loss(model, tokens, stream(0, "masks"))
    draw = torch.from_numpy(stream(0, "masks").random(tuple(ids["input_ids"].shape)))
    special = torch.tensor(embedder.tokenizer.all_special_ids)
    hidden = (draw < 0.5) & ~torch.isin(ids["input_ids"], special)
    with torch.no_grad():
        logits = plain(**seen).logits
    assert logits.shape[:2] == ids["input_ids"].shape, "the model itself is as it was"
    expected = nn.functional.cross_entropy(logits[hidden], ids["input_ids"][hidden])
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert np.isfinite(loss.item())
