"""Tiny models with random weights, saved as the large ones are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

WORDS = [
    "alien",
    "toy",
    "story",
    "space",
    "horror",
    "robot",
    "dog",
    "king",
    "war",
    "love",
    "ship",
    "island",
    "star",
    "night",
    "the",
    "of",
    "a",
    "and",
    "in",
    "is",
]


def save_bert(folder: Path) -> Path:
    """A two-layer BERT with a masked-language head, and its tokenizer."""
    import torch
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    tokens += [chr(c) for c in range(97, 123)] + [f"##{chr(c)}" for c in range(97, 123)]
    vocabulary = {token: row for row, token in enumerate(dict.fromkeys(tokens))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=64,
    )
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, **shape)
    BertForMaskedLM(config).save_pretrained(folder)
    fast.save_pretrained(folder)
    return folder


def save_sentence_model(folder: Path, bert: Path) -> Path:
    """A sentence-transformers folder around ``bert``."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Pooling, Transformer

    transformer = Transformer(str(bert), max_seq_length=64)
    SentenceTransformer(modules=[transformer, Pooling(16)], device="cpu").save(str(folder), create_model_card=False)
    return folder


def save_vit(folder: Path) -> Path:
    """A one-layer vision transformer for images of 32 pixels."""
    from transformers import ViTConfig, ViTModel

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    return _save_vision(ViTModel, ViTConfig(image_size=32, patch_size=8, **shape), folder)


def save_convnext(folder: Path) -> Path:
    """A ConvNeXt of four stages of one block, the last one 16 wide."""
    from transformers import ConvNextConfig, ConvNextModel

    return _save_vision(ConvNextModel, ConvNextConfig(hidden_sizes=[4, 8, 8, 16], depths=[1, 1, 1, 1]), folder)


def save_clip(folder: Path) -> Path:
    """A CLIP with both of its sides, one layer each, for images of 32 pixels."""
    from transformers import CLIPConfig, CLIPModel

    shape = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    text, vision = {**shape, "vocab_size": 50}, {**shape, "image_size": 32, "patch_size": 8}
    return _save_vision(CLIPModel, CLIPConfig(text_config=text, vision_config=vision, projection_dim=8), folder)


def _save_vision(kind: Any, config: Any, folder: Path) -> Path:
    import torch

    torch.manual_seed(0)
    kind(config).save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text('{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}')
    return folder
