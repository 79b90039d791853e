"""Where a batch is written: a folder, or an address of an object store that fsspec knows."""

from recsys.retrieval.output.folder import OutputFolder, Place, output_folder

__all__ = ["OutputFolder", "Place", "output_folder"]
