"""Train, validation and test splits by the name of a protocol."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, Self

from pydantic import Field, model_validator

from recsys.config import Config, parse
from recsys.data.dataset import Dataset, check_dataset
from recsys.data.feedback.repeats import BUYS_AGAIN
from recsys.data.interactions import Interactions
from recsys.data.moment import Moment
from recsys.data.splits.cold_items import cold_items
from recsys.data.splits.given import Cut, given
from recsys.data.splits.holdout import Holdout
from recsys.data.splits.last_n import leave_last_n
from recsys.data.splits.partition import Split
from recsys.data.splits.random_holdout import random_holdout
from recsys.data.splits.temporal import moments, temporal
from recsys.data.splits.user_holdout import user_holdout
from recsys.errors import ConfigError, DataError

_LOG = logging.getLogger("recsys.data")


class SplitConfig(Config):
    """A protocol and its parameters.

    Args:
        protocol: ``leave_one_out``, ``leave_last_n``, ``temporal``, ``user_holdout``, ``cold_items``, ``given``,
            ``random`` (a random share of each user's interactions, for data without an order), or ``none``: engines are
            trained on all interactions and not evaluated.
        n: interactions of each user in validation, and in test (``leave_last_n``).
        validation: share of all interactions (``temporal``), of each user's interactions (``random``) or of each
            user's train file (``given``), for validation.
        test: share of all interactions (``temporal``), or of each user's (``random``), for test.
        validation_from: start of the validation window (``temporal``): a date, a datetime, ISO text or seconds since
            1970 UTC; replaces the share.
        test_from: start of the test window (``temporal``), likewise; replaces the share.
        share: of the users (``user_holdout``) or items (``cold_items``), for validation and for test each.
        cut: which of a user's train interactions are for validation (``given``): the ``last``, ``random`` ones, or
            ``blocks`` of similar items; None takes the last ones, or random ones where the data has no order.
        given: share of a held-out user's interactions that is history (``user_holdout``).
        seed: of the random choice of users, items or interactions.
        refit: whether engines are retrained on train and validation together before the test, for the number of epochs
            that was best on validation. Reports call it ``leave_one_out/refit``; do not compare the two.

    Raises:
        ValueError: the shares of ``temporal`` or ``random`` leave nothing to train on, or ``none`` has a refit.
    """

    protocol: Literal[
        "leave_one_out", "leave_last_n", "temporal", "user_holdout", "cold_items", "given", "random", "none"
    ] = "leave_one_out"
    n: int = Field(1, ge=1)
    validation: float = Field(0.1, gt=0, lt=1)
    test: float = Field(0.1, gt=0, lt=1)
    validation_from: Moment | None = None
    test_from: Moment | None = None
    share: float = Field(0.1, gt=0, lt=0.5)
    cut: Cut | None = None
    given: float = Field(0.8, gt=0, lt=1)
    seed: int = 0
    refit: bool = False

    @model_validator(mode="after")
    def _leaves_train(self) -> Self:
        if self.protocol == "none" and self.refit:
            raise ValueError('refit = true trains on the validation part too, and protocol = "none" has none')
        by_share = self.protocol == "random" or (self.protocol == "temporal" and self.validation_from is None)
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
    "random": frozenset({"validation", "test", "seed"}),
    "none": frozenset(),
}
"""The options of each protocol, besides ``refit``."""


def split(
    data: Dataset,
    protocol: str = "leave_one_out",
    *,
    given_files: tuple[Interactions, Interactions] | None = None,
    filter_seen: bool | None = None,
    **options: object,
) -> Split:
    """Split ``data`` into train, validation and test by a protocol.

    Args:
        data: the dataset.
        protocol: ``leave_one_out``, ``leave_last_n``, ``temporal``, ``user_holdout``, ``cold_items``, ``given``,
            ``random`` or ``none``.
        given_files: train and test interactions of the protocol ``given``; None takes the files ``data`` was read from.
        filter_seen: whether the items of a user's history are masked in validation and test, so that what a user comes
            back to counts as missed. None is True, with a warning by the logger ``recsys.data`` where people do.
        **options: of the protocol, see `SplitConfig`: ``n``, ``share``, ``seed``, ``refit`` ...

    Raises:
        ConfigError: the protocol or an option is unknown, out of range or not one of this protocol, or the data lacks
            the order, timestamps or test file that the protocol needs.
        DataError: a part would be empty.

    Example:
        >>> from recsys.data.synthetic.worlds import BlockTaste
        >>> split(BlockTaste(users=30).dataset(), "leave_last_n", n=2).name
        'leave_last_2'
    """
    check_dataset(data)
    config = parse(SplitConfig, {"protocol": protocol, **options}, "split")
    if unread := sorted(set(options) - _OPTIONS[config.protocol] - {"refit"}):
        known = ", ".join(sorted(_OPTIONS[config.protocol] | {"refit"}))
        raise ConfigError(f"the split {protocol!r} has no option {unread[0]!r}; its options are: {known}")
    made = make_split(data, config, given_files, filter_seen is not False)
    if filter_seen is None and made.test.repeats >= BUYS_AGAIN:
        _LOG.warning(
            "%.0f%% of the test targets are items that their users had before, and lists leave these out: they count "
            "as missed; rs.split(..., filter_seen=False) keeps them in lists, True says that they are to be left out",
            100 * made.test.repeats,
        )
    return made


def make_split(
    data: Dataset,
    config: SplitConfig,
    given_files: tuple[Interactions, Interactions] | None = None,
    filter_seen: bool = True,
) -> Split:
    """Split ``data`` by the protocol of ``config``; no part of the result is empty, unless the protocol is ``none``.

    Args:
        data: the dataset.
        config: the protocol and its options.
        given_files: train and test interactions of the protocol ``given``; None takes the files ``data`` was read from.
        filter_seen: whether the items of a user's history are masked in validation and test.

    Raises:
        ConfigError: the data lacks the order, timestamps or test file that the protocol needs.
        DataError: a part would be empty.
    """
    if config.protocol == "none":
        return _without(data).with_filter_seen(filter_seen)
    made = replace(_by_protocol(data, config, given_files, filter_seen), refit=config.refit)
    made = made.with_filter_seen(filter_seen).with_also_seen(data.non_likes, data.n_users)
    for part, what in ((made.train, "train on"), (made.validation, "validate with"), (made.test, "test with")):
        if not len(part):
            raise DataError(
                f"the split {made.protocol!r} leaves nothing to {what} of {len(data.interactions)} interactions of "
                f"{data.n_users} users with {data.n_items} items; give more data or another [split]"
            )
    return made


def _without(data: Dataset) -> Split:
    """All interactions to train on, and none to evaluate with."""
    events, none = data.interactions, Interactions.empty()
    if not len(events):
        raise DataError("there are no interactions to train on; give a file with some")
    return Split("none", events, Holdout.of_targets(none, none), events, Holdout.of_targets(none, none))


_UNORDERED = ("cold_items", "given", "user_holdout", "random")


def _by_protocol(
    data: Dataset,
    config: SplitConfig,
    given_files: tuple[Interactions, Interactions] | None,
    filter_seen: bool,
) -> Split:
    events = data.interactions
    if not data.has_order and config.protocol not in _UNORDERED:
        raise ConfigError(
            f"the split {config.protocol!r} needs an order, and the data has no time and no order; name a "
            'column in data.columns.time or data.columns.order, or set split.protocol to "random" (a random share of '
            'each user\'s interactions), "user_holdout", "cold_items" or "given"'
        )
    if config.protocol == "random":
        return random_holdout(events, data.n_users, config.validation, config.test, config.seed, filter_seen)
    if config.protocol == "leave_one_out":
        return leave_last_n(events, data.n_users)
    if config.protocol == "leave_last_n":
        return leave_last_n(events, data.n_users, config.n)
    if config.protocol == "user_holdout":
        return user_holdout(events, data.n_users, config.share, config.given, config.seed, data.has_order)
    if config.protocol == "cold_items":
        return cold_items(events, data.n_users, data.n_items, config.share, config.seed)
    if config.protocol == "given":
        given_files = given_files or data.given_files
        if given_files is None:
            raise ConfigError(
                "the split 'given' needs a file of test interactions: set data.test_interactions, in Python "
                "read_dataset(..., test_interactions=...)"
            )
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
