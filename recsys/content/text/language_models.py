"""Masked and causal language models as text embedders."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recsys.content.text.transformer import LanguageModelEmbedder


class MaskedLMEmbedder(LanguageModelEmbedder):
    """Pooled hidden states of a masked language model (BERT; Devlin et al., 2019), pretrained further on the catalogue.

    Tokens are hidden with probability ``mask_share`` and predicted from both sides. Use it for a language or domain
    without a sentence model; without ``training`` plain pooled states are a weak measure of similarity.

    Example:
        >>> from recsys.content import MaskedLMEmbedder
        >>> embedder = MaskedLMEmbedder(columns=["title"], training={"epochs": 1, "learning_rate": 1e-4})
    """

    kind = "masked"

    def begin(self) -> Any:
        from transformers import AutoModelForMaskedLM, BertConfig

        if self.config.scratch and self._trained is None:
            heads = {"num_hidden_layers": self.config.depth, "num_attention_heads": 4}
            shape = {"hidden_size": self.config.dim, "intermediate_size": 4 * self.config.dim, **heads}
            small = BertConfig(vocab_size=len(self.tokenizer), pad_token_id=self.tokenizer.pad_token_id, **shape)
            return AutoModelForMaskedLM.from_config(small)
        return AutoModelForMaskedLM.from_pretrained(self.where(), local_files_only=True)

    def token_loss(self, model: Any, tokens: dict[str, Tensor], rng: np.random.Generator) -> Tensor:
        ids, special = tokens["input_ids"], torch.tensor(self.tokenizer.all_special_ids)
        draw = torch.from_numpy(rng.random(tuple(ids.shape))).to(ids.device)
        hidden = (draw < self.config.mask_share) & ~torch.isin(ids, special.to(ids.device))
        if not hidden.any():
            hidden[:, 1] = True
        shown = torch.where(hidden & (draw < 0.8 * self.config.mask_share), self.tokenizer.mask_token_id, ids)
        other = torch.from_numpy(rng.integers(0, len(self.tokenizer), tuple(ids.shape))).to(ids.device)
        shown = torch.where(hidden & (draw >= 0.9 * self.config.mask_share), other, shown)
        # the vocabulary is scored at the hidden places alone: everywhere would cost several times as much
        output = model.get_output_embeddings()
        handle = output.register_forward_pre_hook(lambda _, inputs: (inputs[0][hidden],))
        try:
            logits: Tensor = model(input_ids=shown, attention_mask=tokens["attention_mask"]).logits
        finally:
            handle.remove()
        return nn.functional.cross_entropy(logits, ids[hidden])


class CausalLMEmbedder(LanguageModelEmbedder):
    """Pooled hidden states of a causal language model (GPT; Radford et al., 2019), pretrained further on the catalogue.

    Each token is predicted from those before it. Use it where a GPT-like model is what there is, with
    ``pooling="last"`` or ``"mean"``; with ``scratch`` a small one is trained on the catalogue alone.

    Example:
        >>> from recsys.content import CausalLMEmbedder
        >>> embedder = CausalLMEmbedder(columns=["title"], scratch=True, pooling="last")
    """

    kind = "causal"

    def begin(self) -> Any:
        from transformers import AutoModelForCausalLM, GPT2Config

        if self.config.scratch and self._trained is None:
            shape = {"n_embd": self.config.dim, "n_layer": self.config.depth, "n_head": 4}
            ends = dict.fromkeys(("bos_token_id", "eos_token_id"), self.tokenizer.sep_token_id)
            longest = max(self.config.max_tokens, 64)
            small = GPT2Config(vocab_size=len(self.tokenizer), n_positions=longest, **shape, **ends)
            return AutoModelForCausalLM.from_config(small)
        return AutoModelForCausalLM.from_pretrained(self.where(), local_files_only=True)

    def token_loss(self, model: Any, tokens: dict[str, Tensor], rng: np.random.Generator) -> Tensor:
        labels = tokens["input_ids"].masked_fill(tokens["attention_mask"] == 0, -100)
        loss: Tensor = model(**tokens, labels=labels).loss
        return loss
