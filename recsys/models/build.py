"""Builds the modules of a model from its config and feature columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from pydantic import Field
from torch import nn

from recsys.config import Config
from recsys.data.features.features import FeatureColumn
from recsys.encoders import ENCODERS
from recsys.encoders.encoder import as_module
from recsys.encoders.sequence import SEQUENCES, SequenceEncoder, SequenceShape
from recsys.errors import ConfigError
from recsys.models.fusion import FUSIONS
from recsys.models.two_tower import IdEncoder, Scoring, Tower, TwoTowerModel


class ModelOptions(Config):
    """The shape of a two-tower model.

    Args:
        dim: D of both towers; where it is not set, 32 for fewer than 5,000 interactions, 128 for more than 100,000 or
            for more than 8,192 items, and else 64.
        item_id: whether an item has an id embedding beside its features; where it is not set, not if most validation
            targets are items that training never saw. Without features and tables it always has one.
        user_id: whether a user has an id embedding; off by default, for histories and features describe new users too.
        id_dropout: share of ids hidden in a training step.
        table_dropout: share of each table's rows hidden in a training step.
        item_fusion: how the item's inputs are joined.
        user_fusion: how history and user inputs are joined.
        pooling: the history encoder, by its name in `recsys.encoders.sequence`.
        heads: of the learned pooling, or of attention, where they share ``dim`` evenly.
        layers: of the history encoder.
        expansion: width of its perceptrons, in units of D.
        positions: positional encoding of attention: ``recency``, ``rotary`` or ``relative``.
        use_timestamps: whether the times of a history are an input, where the data has timestamps.
        mask_probability: share of the positions that the ``masked`` encoder masks in training.
        rate: of the decayed pooling, the factor that each step further back multiplies an item's weight by.
        similarity: ``cosine`` or ``dot``.
        temperature: divides the logits.
        dropout: in history encoders and fusions.
        item_bias: whether each item id has a learned bias.
        numeric: encoder of numeric columns: ``linear``, ``periodic`` or ``piecewise``.
        id_start: of the items' id vectors: ``spectral``, the singular vectors of the interactions, or ``random``.
        feature_init_scale: factor of the initial weights of the item's columns and tables. Below 1 the ids dominate at
            first: large features of few dimensions make items alike before their ids have been trained.
    """

    dim: int = Field(64, ge=2)
    item_id: bool = True
    user_id: bool = False
    id_dropout: float = Field(0.05, ge=0, lt=1)
    table_dropout: float = Field(0.1, ge=0, lt=1)
    item_fusion: str = "sum"
    user_fusion: str = "sum"
    pooling: str = "transformer"
    heads: int = Field(2, ge=1)
    layers: int = Field(2, ge=1)
    expansion: int = Field(1, ge=1)
    positions: Literal["recency", "rotary", "relative"] = "relative"
    use_timestamps: bool = True
    mask_probability: float = Field(0.3, gt=0, lt=1)
    rate: float = Field(0.8, gt=0, le=1)
    similarity: str = Field("cosine", pattern="^(cosine|dot)$")
    temperature: float = Field(0.05, gt=0)
    dropout: float = Field(0.3, ge=0, lt=1)
    item_bias: bool = False
    numeric: str = "linear"
    id_start: Literal["spectral", "random"] = "spectral"
    feature_init_scale: float = Field(1.0, gt=0)


_ATTENDING = ("transformer", "hstu", "masked")
"""Poolings whose heads have D / heads components each."""


def check_heads(options: ModelOptions) -> None:
    """Checks that ``dim`` is a multiple of the number of attention heads.

    Not a validator of `ModelOptions`, for an engine without a history encoder takes any ``dim``.

    Raises:
        ConfigError: it is not.
    """
    if options.pooling in _ATTENDING and options.dim % options.heads:
        raise ConfigError(
            f"model.dim = {options.dim} and model.heads = {options.heads} do not fit together: with "
            f"model.pooling = {options.pooling!r} dim must be a multiple of heads"
        )


def build_two_tower(
    options: ModelOptions,
    item_columns: Sequence[FeatureColumn],
    user_columns: Sequence[FeatureColumn],
    n_items: int,
    n_users: int,
    tables: Mapping[str, nn.Module],
    length: int,
    has_timestamps: bool,
) -> TwoTowerModel:
    """A two-tower model over the given columns.

    Args:
        options: its shape.
        item_columns: the item's features.
        user_columns: the user's features.
        n_items: rows of the item id table.
        n_users: rows of the user id table.
        tables: input name -> encoder of a pretrained table, from rows to [n, dim].
        length: the longest history that a user vector is computed from.
        has_timestamps: whether the data has timestamps, and not just an order.

    Raises:
        ConfigError: see `check_heads`.
    """
    check_heads(options)
    item_inputs = _scaled_projections(_encoders(item_columns, options) | dict(tables), options.feature_init_scale)
    if options.item_id or not item_inputs:
        item_inputs["__id__"] = IdEncoder(n_items, options.dim, options.id_dropout if item_inputs else 0.0)
    user_inputs = _encoders(user_columns, options)
    if options.user_id:
        user_inputs["__id__"] = IdEncoder(n_users, options.dim, options.id_dropout)
    encoder = _history(options, length, has_timestamps)
    return TwoTowerModel(
        Tower(item_inputs, _fusion(options.item_fusion, len(item_inputs), options)),
        as_module(encoder),
        encoder.heads,
        user_inputs,
        _fusion(options.user_fusion, 1 + len(user_inputs), options),
        Scoring(options.dim, options.similarity == "cosine", options.temperature, options.dropout),
        _bias(n_items) if options.item_bias else None,
    )


def build_tower(columns: Sequence[FeatureColumn], options: ModelOptions, n_ids: int | None = None) -> Tower:
    """The sum of one encoder per column and, with ``n_ids``, of an id embedding."""
    inputs = _encoders(columns, options)
    if n_ids is not None:
        inputs["__id__"] = IdEncoder(n_ids, options.dim, options.id_dropout if inputs else 0.0)
    return Tower(inputs, _fusion("sum", len(inputs), options))


def _history(options: ModelOptions, length: int, has_timestamps: bool) -> SequenceEncoder:
    return SEQUENCES[options.pooling].build(
        SequenceShape(
            options.dim,
            options.heads,
            options.layers,
            options.expansion,
            options.dropout,
            options.positions,
            length,
            options.rate,
            options.use_timestamps and has_timestamps,
            options.mask_probability,
        )
    )


def _encoders(columns: Sequence[FeatureColumn], options: ModelOptions) -> dict[str, nn.Module]:
    return {
        input_name(column.name): as_module(ENCODERS[column.kind].build(column, options.dim, options.numeric))
        for column in columns
    }


def input_name(column: str) -> str:
    """The column's name as a module name, which may have no dot and not be the name of a method.

    Example:
        >>> input_name("genres"), input_name("user.age"), input_name("type")
        ('genres', 'user·age', 'type·')
    """
    name = column.replace(".", "·")
    return f"{name}·" if hasattr(nn.ModuleDict(), name) else name


def _scaled_projections(encoders: dict[str, nn.Module], factor: float) -> dict[str, nn.Module]:
    """Scales the initial weights of each encoder's final projection by ``factor``."""
    with torch.no_grad():
        for encoder in encoders.values() if factor != 1 else ():
            assert isinstance(encoder.project, nn.Linear)
            encoder.project.weight.mul_(factor)
    return encoders


def _fusion(name: str, inputs: int, options: ModelOptions) -> nn.Module:
    return FUSIONS[name](inputs, options.dim, options.dropout)


def _bias(n_items: int) -> IdEncoder:
    bias = IdEncoder(n_items, 1)
    nn.init.zeros_(bias.table.weight)
    return bias
