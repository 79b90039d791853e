"""The users who get a list, and those who had one before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys.data.dataset import Dataset
from recsys.data.vocabulary import MISSING, Ids, Rows, Vocabulary
from recsys.errors import ArtifactError, DataError
from recsys.retrieval.output import Place, output_folder
from recsys.retrieval.output.folder import inside
from recsys.retrieval.output.id_arrays import arrow_ids, ids_of
from recsys.retrieval.rules.id_lists import IdList, known_ids

USERS = "_users.pq"
"""A Parquet file beside the parts: the ids of the users of all finished runs so far."""
NEW = "new"
"""Of ``users``: those who are new since the last run."""


@dataclass(frozen=True, eq=False)
class Recipients:
    """The rows of the users who get a list, and lines about them.

    Args:
        rows: of the users of the data.
        told: ids that are passed over, or who is new.
    """

    rows: Rows
    told: tuple[str, ...] = ()


def named_users(data: Dataset, users: IdList | str | None) -> Recipients:
    """The users whom ``users`` names; None is all.

    Raises:
        DataError: the file of ids cannot be read, none of the ids is in the data, or ``users`` is `NEW`, which depends
            on an output folder (`new_users`).
    """
    if users is None:
        return Recipients(np.arange(data.n_users))
    if isinstance(users, str):
        raise DataError("recommend.users = 'new' depends on the last run: `new_users` finds them")
    known = known_ids(data.users.vocabulary, users, "recommend.users", "user_id")
    told = known.told("recommend.users")
    if not len(known.rows):
        raise DataError("\n  ".join(["recommend.users names no user of the data", *([told] if told else [])]))
    return Recipients(known.rows, () if told is None else (told,))


def new_users(data: Dataset, last: Place) -> Recipients:
    """The users of ``data`` whom no finished run into the folder ``last`` had; all where there was none.

    A run for all users counts as one that had the users of its data, and for nobody else; one for some users
    adds these.

    Raises:
        ArtifactError: the file that the last run left is damaged.
    """
    ids = remembered(last)
    if ids is None:
        told = f"users = 'new': there was no run into {last} yet, so all {data.n_users:,} users get a list"
        return Recipients(np.arange(data.n_users), (told,))
    known = data.users.vocabulary.rows(ids)
    rows = np.setdiff1d(np.arange(data.n_users), known[known != MISSING])
    return Recipients(
        rows, (f"users = 'new': {len(rows):,} of {data.n_users:,} are new since the last run into {last}",)
    )


def remembered(directory: Place) -> Ids | None:
    """The ids in the file `USERS` of a folder; None where there is none.

    Raises:
        ArtifactError: it is damaged.
    """
    try:
        with output_folder(directory).open(USERS) as file:
            column = pq.read_table(file).column(0)
    except FileNotFoundError:
        return None
    except (OSError, pa.ArrowException, IndexError) as error:
        raise ArtifactError(
            f"{inside(directory, USERS)} cannot be read ({error}); remove it, and recommend for all users once"
        ) from error
    return ids_of(column)


def remember(directory: Place, users: Vocabulary, rows: Rows, all_users: bool) -> None:
    """Writes the file `USERS` after a run for the users at ``rows``, who are ``all_users`` or join those before."""
    ids = users.ids[rows]
    earlier = None if all_users else remembered(directory)
    if earlier is not None and len(earlier) and (earlier.dtype.kind == "i") == users.holds_integers:
        ids = np.concatenate([earlier, ids[Vocabulary(earlier).rows(ids) == MISSING]])
    column = arrow_ids(ids, users.holds_integers)
    with output_folder(directory).writing(USERS) as beside:
        pq.write_table(pa.table({"user_id": column}), beside, use_dictionary=False)
