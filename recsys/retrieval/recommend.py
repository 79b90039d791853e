"""Batch recommendation for every user of a dataset, in memory that does not grow with the number of users.

A batch that was killed is resumed: parts that are complete are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from recsys.data.dataset import Dataset
from recsys.engine import VectorModel
from recsys.retrieval.batch import Batch, RecommendOptions
from recsys.retrieval.fallback import Fallback
from recsys.retrieval.incremental.previous import discard, set_aside
from recsys.retrieval.manifest import Manifest
from recsys.retrieval.output import Place, output_folder, parts
from recsys.retrieval.output.parts import Written
from recsys.retrieval.recipients.users import NEW, Recipients, new_users, remember
from recsys.tracking import SilentTracker, Tracker, tracked

PartMaker = Callable[[Sequence[int]], Iterator[tuple[int, Written]]]
"""Makes the parts of these numbers, in any order: the number and the entry of each as it is complete."""


def recommend(
    engine: VectorModel,
    data: Dataset,
    directory: Place,
    options: RecommendOptions | None = None,
    tracker: Tracker | None = None,
    model_version: str = "",
    made_from: str = "",
    fallback: Fallback | None = None,
) -> Manifest:
    """Top-k recommendations for all users: writes ``part-00000.parquet`` ..., ``_manifest.json`` and ``_SUCCESS``.

    `pandas.read_parquet` and others read the folder as one table, for they pass over files that begin with ``_``. An
    empty ``_SUCCESS`` is written last. ``options.format`` and ``options.layout`` give other files.

    A part has the columns ``user_id, item_id, rank, score``, with the ids of the data and ``rank`` from 1, best first.
    With a fallback it also has ``fallback``, whether the item is one of the fallback and not of the engine; such items
    follow those of the engine, and the manifest counts the users who have some.
    Complete parts of an earlier run with the same model, data and options are kept; other parts are replaced.

    Args:
        engine: a fitted engine.
        data: the users who get recommendations, their histories, and the items.
        directory: the output folder, or an address as ``s3://bucket/lists``; new, empty, or written by an earlier
            batch.
        options: see `RecommendOptions`.
        tracker: reports progress.
        model_version: recorded in every part and in the manifest.
        made_from: a digest of the inputs that this function cannot hash itself, such as the code and the files of the
            model. Parts with another digest are replaced.
        fallback: ranks for users of whom the engine knows nothing, and fills lists with fewer than ``k`` items; None
            leaves them empty or short.

    Raises:
        DataError: the dataset has no users or no items, the rules leave no item or user, or a rule is wrong.
        ConfigError: the index is unknown or does not support the engine's vectors.
        ArtifactError: a vector or a score is NaN or infinite, ``directory`` holds other files, or another batch started
            in it.
    """
    options = options or RecommendOptions()
    recipients = new_users(data, options.since or directory) if options.users == NEW else None
    if recipients is not None and not len(recipients.rows):
        return left_as_it_is(directory, recipients, tracker)
    batch = Batch(engine, data, options, model_version, made_from, fallback, recipients=recipients)
    return write_batch(batch, directory, tracker)


def left_as_it_is(directory: Place, recipients: Recipients, tracker: Tracker | None = None) -> Manifest:
    """The manifest of the last run into ``directory``, whose lists stay because no user is new.

    Raises:
        ArtifactError: there is none.
    """
    for line in recipients.told:
        (tracker or SilentTracker()).info(f"  recommend: {line}; the lists in {directory} stay as they are")
    manifest = Manifest.load(directory)
    parts.end(directory)  # which a run that was killed last may not have come to
    return manifest


def write_batch(
    batch: Batch, directory: Place, tracker: Tracker | None = None, make: PartMaker | None = None
) -> Manifest:
    """Writes the parts of a batch that are not complete yet, and then the manifest.

    Args:
        batch: what is recommended to whom.
        directory: see `recommend`.
        tracker: reports progress.
        make: makes the parts, in other processes or on other machines perhaps; None makes one after the other here.

    Raises:
        DataError: see `recommend`.
        ConfigError: see `recommend`.
        ArtifactError: see `recommend`.
    """
    tracker = tracker or SilentTracker()
    for line in batch.told:
        tracker.info(f"  recommend: {line}")
    if batch.options.incremental:
        output_folder(directory).claim()
        set_aside(directory, batch.stamp.fingerprint)
        tracker.info(f"  recommend: {batch.reuse.told(directory)}")
    made = parts.clean(directory, batch.stamp, batch.names)
    missing = [number for number in range(len(batch)) if number not in made]
    here = ((number, batch.make_part(directory, number)) for number in missing)
    for number, written in tracked(here if make is None else make(missing), len(missing), "recommend", tracker):
        parts.record(directory, batch.stamp, written)
        made[number] = written
    entries = tuple(made[number].part for number in range(len(batch)))
    parts.check(directory, batch.stamp, entries)
    manifest = batch.manifest(entries)
    manifest.save(directory)
    if batch.of_users:
        remember(directory, batch.data.users.vocabulary, batch.rows, batch.options.users is None)
    discard(directory, len(batch) if batch.options.incremental else 0)
    parts.end(directory)
    if batch.options.incremental:
        reused = sum(each.reused for each in made.values())
        tracker.info(f"  recommend: {len(batch.rows) - reused:,} users ranked, {reused:,} lists of the previous output")
    return manifest
