"""The options of the two-tower family that follow from the data where the user does not set them.

Every rule stands here, with its reason. They were chosen on validation users of the sets of
`pipelines.benchmarks.strangers`, all sets together, never on one set what another loses by.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from recsys.config import Config
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.holdout import Holdout
from recsys.engine import FitContext
from recsys.engines.two_tower.column_choice import columns_that_tell_nothing
from recsys.engines.two_tower.two_tower_config import TwoTowerConfig
from recsys.models.build import ModelOptions

C = TypeVar("C", bound=Config)
T = TypeVar("T", bound=TwoTowerConfig)

_STEPS = 1000
"""Steps of a training at least: fewer, and the ids of small data stay where they began."""
_STEPS_AN_EPOCH = 64
"""Batches an epoch is cut into, within `_TOKENS`: two steps an epoch, as a batch of 4096 positions makes of a shop's
orders, are too few to tell one epoch from the next."""
_TOKENS = (256, 1024)
"""An epoch in batches of 1,024 positions costs what one in batches of 4,096 does, and takes four times the steps: on
validation of MovieLens 1M NDCG@10 is .1802 and .1728."""
_MANY_STEPS, _MOST_TOKENS = 2000, 4096
"""Batches an epoch is cut into at most, up to batches of 4,096: of ten million interactions every step tells more."""
_EPOCHS = (8, 60)
_VALIDATIONS = 15
"""Validations of a whole training, so that patience counts steps that mean something."""
_WARMUP_SHARE, _WARMUP = 0.05, 50
"""Warm-up is a twentieth of the steps, at most 50: patience may not end a training inside it."""
_AVERAGED, _AVERAGED_ITEMS = 50, 50_000
"""The weights are averaged over about an epoch, at most 50 steps: early stopping ends trainings while the learning rate
is high, when single weights are noisy. Not for large id tables, all rows of which an average updates."""
_FULL_SOFTMAX_ITEMS = 4096
"""Up to so many items the whole catalogue costs as much as the sampled negatives, and has no sampling error."""
_SMALL, _SMALL_DIM = 5_000, 32
"""Of fewer interactions vectors of 64 components are learnt by heart in a few epochs."""
_LARGE, _LARGE_DIM = 8_192, 128
"""So many items have more directions than 64 components tell apart: on validation of Amazon Beauty (12,101 items)
NDCG@10 is .0737 with 128 and .0694 with 64; with about 5,000 items (cuts of Beauty and Gowalla) it is the same."""
_MANY = 100_000
"""So many interactions fill 128 components too: on validation of MovieLens 1M (988,000) NDCG@10 is .2000 with 128 and
.1802 with 64, of 800 of its users (119,000) .1576 and .1496; of MovieLens 100K (98,000, 80,000) it is the same."""
_NEW_ITEMS = 0.5
"""Above this share of validation targets that training never saw, what such an item lacks stays out: ids (recall@20 on
validation of MovieLens 1M's items never seen .2752 without and .2373 with them). All columns stay in, for what they
tell beside ids is not what they tell without, and numbers are cut into pieces, for a year has no ids beside it. A
history is a slowly decaying sum, and scores are plain products: fewer weights to learn by heart."""
_NEW_ITEMS_RATE = 0.99
"""NDCG@10 and recall@20 on validation with all of these, and without all but the first: MovieLens 1M .3308 and .3336,
.2674 and .2693; 100K .4023 and .4750, .2862 and .3393; `content` .4116 and .7577, .4049 and .8011; `shop` .2731 and
.5918, .2761 and .6219."""
_SAMPLING = {"negatives", "n_negatives", "sampling_exponent"}
"""Options that ask for sampled negatives."""


@dataclass(frozen=True)
class Facts:
    """What the rules look at.

    Args:
        events: training interactions.
        items: items that have any.
        new_items: share of the validation targets that are other items.
    """

    events: int
    items: int
    new_items: float = 0.0

    @classmethod
    def of(cls, train: Interactions, n_items: int, validation: Holdout | None = None) -> Facts:
        """The facts of the training interactions, and of the validation targets where there are some."""
        trained = train.item_counts(n_items) > 0
        targets = np.zeros(0, np.int64) if validation is None else validation.targets.item
        new = 1 - float(trained[targets].mean()) if len(targets) else 0.0
        return cls(len(train), int(np.count_nonzero(trained)), new)


def options_for(config: T, data: Dataset, train: Interactions, context: FitContext) -> T:
    """All options of a fit: columns that tell nothing are left out, sizes and steps follow from the interactions."""
    facts = Facts.of(train, data.n_items, context.validation)
    if config.leave_out is None:
        out = () if facts.new_items > _NEW_ITEMS else columns_that_tell_nothing(data, train, config)
        if out:
            context.tracker.info(f"columns left out, which tell nothing of the choices in train: {', '.join(out)}")
        config = config.model_copy(update={"leave_out": out})
    return sized(config, facts)


def sized(config: T, facts: Facts) -> T:
    """``config`` with the options that it does not set as they follow from ``facts``.

    Example:
        >>> options = sized(TwoTowerConfig(), Facts(events=30_000, items=2_500))
        >>> options.max_tokens, options.loss, options.training.epochs, options.training.warmup, options.training.ema
        (512, 'full_softmax', 18, 50, 0.98)
    """
    config = _fill(config, max_tokens=_tokens(facts.events))
    if facts.items <= _FULL_SOFTMAX_ITEMS and not config.model_fields_set & _SAMPLING:
        config = _fill(config, loss="full_softmax")
    steps = max(facts.events / config.max_tokens, 1.0)
    training = _fill(config.training, epochs=int(np.clip(math.ceil(_STEPS / steps), *_EPOCHS)))
    every = max(training.epochs // _VALIDATIONS, 1)
    warmup = min(int(_WARMUP_SHARE * steps * training.epochs), _WARMUP)
    ema = 1 - 1 / float(np.clip(round(steps), 1, _AVERAGED)) if facts.items <= _AVERAGED_ITEMS else 0.0
    training = _fill(training, validate_every=every, patience=3, warmup=warmup, ema=ema)
    return config.model_copy(update={"model": _model(config.model, facts), "training": training})


def _tokens(events: int) -> int:
    """Positions of a batch, a power of two."""

    def batch(steps: int) -> int:
        return 1 << max(round(math.log2(max(events / steps, 1))), 0)

    least, most = _TOKENS
    return max(min(max(batch(_STEPS_AN_EPOCH), least), most), min(batch(_MANY_STEPS), _MOST_TOKENS))


def _model(model: ModelOptions, facts: Facts) -> ModelOptions:
    if facts.new_items > _NEW_ITEMS:
        model = _fill(model, item_id=False, numeric="piecewise")
        if not model.model_fields_set & {"pooling", "rate"}:
            model = model.model_copy(update={"pooling": "decayed", "rate": _NEW_ITEMS_RATE})
        if not model.model_fields_set & {"similarity", "temperature"}:
            model = model.model_copy(update={"similarity": "dot", "temperature": 1.0})
    if facts.events < _SMALL:
        return _fill(model, dim=_SMALL_DIM)
    return _fill(model, dim=_LARGE_DIM) if facts.items > _LARGE or facts.events > _MANY else model


def _fill(section: C, **values: object) -> C:
    """The section with each of ``values`` that it does not set."""
    return section.model_copy(update={k: v for k, v in values.items() if k not in section.model_fields_set})
