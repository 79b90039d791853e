"""Single inputs of an item tower: what items look like by one of them alone, and what one adds to a score."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recsys.data.entities import EntityTable
from recsys.data.vocabulary import MISSING, Rows
from recsys.engine import Request, Vectors
from recsys.engines.two_tower.tower_inputs import ID
from recsys.engines.two_tower.two_tower import TwoTower
from recsys.models.two_tower import TableEncoder


def item_inputs(engine: TwoTower) -> dict[str, str]:
    """Input of the item tower -> ``ids``, or the table or column that it comes from.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> engine = TwoTower(dim=8, epochs=1, leave_out=[]).fit(BlockTaste(items=14).dataset())
        >>> item_inputs(engine)
        {'genre': 'genre', 'mood': 'mood', 'size': 'size', '__id__': 'ids'}
    """
    return {name: engine.inputs.part(name) for name in engine.model.items.encoders}


@torch.no_grad()
def input_vectors(engine: TwoTower, name: str, items: EntityTable) -> Vectors:
    """[I] the vectors of ``items`` by one input alone: its encoder's output, of a table the pretrained vectors.

    Items for which the input is missing are not valid.
    """
    encoder, inputs = engine.model.items.encoders[name], engine.inputs
    if isinstance(encoder, TableEncoder):
        rows = inputs.tables[name].rows(items.vocabulary.ids)
        return Vectors(dense=encoder.vectors.numpy()[rows], valid=rows != MISSING)
    vectors = encoder(inputs.item_values(items)[name]).numpy()
    if name == ID:
        return Vectors(dense=vectors, valid=inputs.item_rows(items) != MISSING)
    return Vectors(dense=vectors, valid=items.columns[inputs.part(name)].notna().to_numpy())


@torch.no_grad()
def input_effects(engine: TwoTower, request: Request, rows: Rows) -> dict[str, NDArray[np.float32]]:
    """What each input of the item tower adds to the scores of the items at ``rows``, by leaving it out.

    The effects do not sum to the score: where two inputs say the same, either can be left out without a loss.

    Returns:
        ``ids``, table or column -> float32 [U, n]: the score less that of the item without this input.
    """
    users, missing = engine.tower_users(request).dense, engine.inputs.missing_item()
    assert users is not None, "towers have dense vectors"
    features = engine.inputs.item_values(request.items.take(rows))

    def scores(values: dict[str, Tensor]) -> NDArray[np.float32]:
        vectors = engine.model.with_bias(engine.model.item_vectors(values), values)
        return np.asarray(users @ vectors.numpy().T, np.float32)

    whole = scores(features)
    hidden = {name: missing[name].expand_as(features[name]) for name in engine.model.items.encoders}
    return {engine.inputs.part(name): whole - scores({**features, name: value}) for name, value in hidden.items()}
