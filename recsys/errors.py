"""Exceptions of the library; each message says where the error is, what was found and how to correct it."""


class RecsysError(Exception):
    """Base class of the exceptions of this library."""


class DataError(RecsysError):
    """A table, a stored dataset or a request has errors."""


class ConfigError(RecsysError):
    """A configuration key is unknown, or values are out of range or do not fit together."""


class ArtifactError(RecsysError):
    """A bundle, checkpoint, table or report is missing, damaged or of an unknown version."""


class PromotionError(RecsysError):
    """The model registry lacks the champion, earlier version or alias that an operation needs."""
