"""Splits by name. Each protocol cannot leak by construction; see `recsys.data.splits` for what each does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Self

from pydantic import Field, model_validator

from recsys.config import Config, parse
from recsys.data.dataset import Dataset
from recsys.data.interactions import Interactions
from recsys.data.splits.cold_items import cold_items
from recsys.data.splits.given import Cut, given
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.last_n import leave_last_n
from recsys.data.splits.partition import Split
from recsys.data.splits.temporal import moments, temporal
from recsys.data.splits.user_holdout import user_holdout
from recsys.errors import ConfigError, DataError


class SplitConfig(Config):
    """A protocol and its parameters.

    Args:
        protocol: its name.
        n: of ``leave_last_n``.
        validation: share of events (``temporal``) or of a user's train (``given``) that validates.
        test: share of events that test (``temporal``).
        validation_from: the moment instead of the share.
        test_from: the moment instead of the share.
        share: of users (``user_holdout``) or items (``cold_items``) to each of validation and test.
        cut: which of a user's train interactions validate (``given``): ``last``, ``random``, or ``blocks`` of like
            items; None takes the last ones where there is an order, random ones where there is none.
        given: of a held-out user's history (``user_holdout``).
        seed: draws users, items or interactions.
        refit: train once more on train and validation together, with the number of epochs that validation chose.
            Reports name it: ``leave_one_out/refit``; never compare across the two.

    Raises:
        ValueError: the shares of ``temporal`` leave nothing to train on.
    """

    protocol: Literal["leave_one_out", "leave_last_n", "temporal", "user_holdout", "cold_items", "given"] = (
        "leave_one_out"
    )
    n: int = Field(1, ge=1)
    validation: float = Field(0.1, gt=0, lt=1)
    test: float = Field(0.1, gt=0, lt=1)
    validation_from: int | None = None
    test_from: int | None = None
    share: float = Field(0.1, gt=0, lt=0.5)
    cut: Cut | None = None
    given: float = Field(0.8, gt=0, lt=1)
    seed: int = 0
    refit: bool = False

    @model_validator(mode="after")
    def _leaves_train(self) -> Self:
        by_share = self.protocol == "temporal" and self.validation_from is None
        if by_share and self.validation + self.test >= 1:
            raise ValueError(
                f"validation = {self.validation} and test = {self.test} leave nothing to train on; "
                "their sum must be below 1"
            )
        return self


_OPTIONS: Mapping[str, frozenset[str]] = {
    "leave_one_out": frozenset(),
    "leave_last_n": frozenset({"n"}),
    "temporal": frozenset({"validation", "test", "validation_from", "test_from"}),
    "user_holdout": frozenset({"share", "given", "seed"}),
    "cold_items": frozenset({"share", "seed"}),
    "given": frozenset({"validation", "cut", "seed"}),
}
"""Which options each protocol reads, besides ``refit``."""


def split(
    data: Dataset,
    protocol: str = "leave_one_out",
    *,
    given_files: tuple[Interactions, Interactions] | None = None,
    filter_seen: bool = True,
    **options: object,
) -> Split:
    """Train, validation and test of ``data`` by a protocol and its options.

    Args:
        data: everything.
        protocol: ``leave_one_out``, ``leave_last_n``, ``temporal``, ``user_holdout``, ``cold_items`` or ``given``.
        given_files: train and test interactions of the protocol ``given``.
        filter_seen: whether the items of a user's history are masked in validation and test.
        **options: of the protocol, as `SplitConfig` describes them: ``n``, ``share``, ``seed``, ``refit`` ...

    Raises:
        ConfigError: the protocol or an option is unknown, out of range or not read by this protocol, or the protocol
            needs something that the data does not have.
        DataError: a part would be empty.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> split(BlockTaste(users=30).dataset(), "leave_last_n", n=2).name
        'leave_last_2'
    """
    config = parse(SplitConfig, {"protocol": protocol, **options}, "split")
    if unread := sorted(set(options) - _OPTIONS[config.protocol] - {"refit"}):
        known = ", ".join(sorted(_OPTIONS[config.protocol] | {"refit"}))
        raise ConfigError(f"the split {protocol!r} does not read {unread[0]!r}; its options are: {known}")
    return make_split(data, config, given_files, filter_seen)


def make_split(
    data: Dataset,
    config: SplitConfig,
    given_files: tuple[Interactions, Interactions] | None = None,
    filter_seen: bool = True,
) -> Split:
    """The split of ``data`` that ``config`` names; none of its parts is empty.

    Args:
        data: everything.
        config: the protocol.
        given_files: train and test of the ``given`` protocol.
        filter_seen: whether the items of a user's history are masked in validation and test.

    Raises:
        ConfigError: the protocol needs something that the data does not have.
        DataError: a part would be empty.
    """
    made = replace(_made(data, config, given_files), refit=config.refit).with_filter_seen(filter_seen)
    for part, what in ((made.train, "train on"), (made.validation, "validate with"), (made.test, "test with")):
        if not len(part):
            raise DataError(
                f"the split {made.protocol!r} leaves nothing to {what} of {len(data.interactions)} interactions of "
                f"{data.n_users} users with {data.n_items} items; give more data or another [split]"
            )
    return made


def _made(data: Dataset, config: SplitConfig, given_files: tuple[Interactions, Interactions] | None) -> Split:
    events = data.interactions
    if not data.has_order and config.protocol not in ("cold_items", "given"):
        raise ConfigError(
            f"the split {config.protocol!r} asks for what came last, and the data has no time and no order; name a "
            'column in data.columns.time or data.columns.order, or set split.protocol to "cold_items" or "given"'
        )
    if config.protocol == "leave_one_out":
        return leave_last_n(events, data.n_users)
    if config.protocol == "leave_last_n":
        return leave_last_n(events, data.n_users, config.n)
    if config.protocol == "user_holdout":
        return user_holdout(events, data.n_users, config.share, config.given, config.seed)
    if config.protocol == "cold_items":
        return cold_items(events, data.n_users, data.n_items, config.share, config.seed)
    if config.protocol == "given":
        if given_files is None:
            raise ConfigError("the split 'given' needs data.test_interactions, the file of test interactions")
        cut = config.cut or ("last" if data.has_order else "random")
        if cut == "last" and not data.has_order:
            raise ConfigError(
                'split.cut = "last" needs an order, and the data has no time and no order; name a column in '
                'data.columns.time or data.columns.order, or set split.cut to "random" or "blocks"'
            )
        return given(*given_files, data.n_users, config.validation, cut, config.seed)
    if not data.has_timestamps:
        raise ConfigError("the split 'temporal' needs a timestamp column; the data has only an order within the user")
    early, late = moments(events, config.validation, config.test)
    return temporal(
        events,
        early if config.validation_from is None else config.validation_from,
        late if config.test_from is None else config.test_from,
    )


__all__ = ["Holdout", "Split", "SplitConfig", "make_split", "split"]
