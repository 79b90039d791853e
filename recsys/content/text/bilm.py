"""A character-aware bidirectional LSTM language model."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

MAX_CHARACTERS = 16
"""Characters of a word that count."""


class Packed(NamedTuple):
    """Texts as characters.

    Args:
        characters: int64 [n, L, 16], bytes of each word plus 1, 0 where a word is shorter.
        padding_mask: bool [n, L], True at words, False at padding on the right.
        targets: int64 [n, L], the row of each word among the prediction targets, MISSING where it is rare.
    """

    characters: Tensor
    padding_mask: Tensor
    targets: Tensor


class BiLm(nn.Module):
    """Character convolution of each word, then a stack of LSTM layers in each direction.

    Args:
        dim: of words and states.
        characters: channels of the convolution.
        depth: layers of each direction.
        n_words: prediction targets.
    """

    def __init__(self, dim: int, characters: int, depth: int, n_words: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(257, 16, padding_idx=0)
        self.convolve = nn.Conv1d(16, characters, 3, padding=1)
        self.project = nn.Linear(characters, dim)
        self.ahead = nn.ModuleList(nn.LSTM(dim, dim, batch_first=True) for _ in range(depth))
        self.back = nn.ModuleList(nn.LSTM(dim, dim, batch_first=True) for _ in range(depth))
        self.out = nn.Embedding(max(n_words, 1), dim)
        self.mix = nn.Parameter(torch.zeros(depth + 1))
        nn.init.normal_(self.out.weight, std=dim**-0.5)

    def layers(self, texts: Packed) -> Tensor:
        """[depth + 1, n, L, 2 * dim]: the words alone, then the states of each layer, both directions."""
        n, length, _ = texts.characters.shape
        letters = self.embed(texts.characters.flatten(0, 1)).transpose(1, 2)
        word = self.project(torch.relu(self.convolve(letters)).amax(2)).unflatten(0, (n, length))
        backwards = _reversed_positions(texts.padding_mask)
        ahead, back = word, _at(word, backwards)
        result = [torch.cat([word, word], 2)]
        for forward, backward in zip(self.ahead, self.back, strict=True):
            # a residual connection from the words to all layers
            ahead, back = ahead + forward(ahead)[0], back + backward(back)[0]
            result.append(torch.cat([ahead, _at(back, backwards)], 2))
        return torch.stack(result)

    def forward(self, texts: Packed) -> Tensor:
        """[n, 2 * dim]: the mixed layers, averaged over the words, L2-normalized."""
        mixed = torch.einsum("k,knld->nld", torch.softmax(self.mix, 0), self.layers(texts))
        mask = texts.padding_mask[..., None]
        mean = (mixed * mask).sum(1) / mask.sum(1).clamp(min=1)
        return nn.functional.normalize(mean, dim=1)

    def language_model_loss(self, texts: Packed, drawn: Tensor) -> Tensor:
        """Cross-entropy of the next word and of the word before, against ``drawn`` [m] words.

        Args:
            texts: the words.
            drawn: int64 [m], rows of negative words, sampled with about their frequency, so that no log-q correction is
                needed.
        """
        top = self.layers(texts)[-1]
        ahead, back = top.chunk(2, 2)
        losses = []
        for states, targets in ((ahead[:, :-1], texts.targets[:, 1:]), (back[:, 1:], texts.targets[:, :-1])):
            known = targets >= 0
            state, target = states[known], targets[known]
            right = (state * self.out(target)).sum(1, keepdim=True)
            wrong = (state @ self.out(drawn).T).masked_fill(drawn == target[:, None], -torch.inf)
            zeros = torch.zeros(len(state), dtype=torch.int64, device=state.device)
            losses.append(nn.functional.cross_entropy(torch.cat([right, wrong], 1), zeros, reduction="sum"))
        return torch.stack(losses).sum() / texts.padding_mask.sum().clamp(min=1)


def _reversed_positions(padding_mask: Tensor) -> Tensor:
    """int64 [n, L]: where each position goes when a text is read backwards; padding stays."""
    length = padding_mask.sum(1, keepdim=True)
    places = torch.arange(padding_mask.shape[1], device=padding_mask.device)
    return torch.where(padding_mask, length - 1 - places, places)


def _at(vectors: Tensor, places: Tensor) -> Tensor:
    return vectors.gather(1, places[..., None].expand_as(vectors))
