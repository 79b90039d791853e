"""The errors a user of the library can meet; each message names the thing, what was found and what to do."""


class RecsysError(Exception):
    """The root of every error that this library raises on purpose."""


class DataError(RecsysError):
    """A table, a dataset on disk or a request that cannot be used as it stands."""


class ConfigError(RecsysError):
    """A configuration key, value or combination that makes no sense."""


class ArtifactError(RecsysError):
    """A bundle, checkpoint, table or report that is missing, damaged or of an unknown version."""


class PromotionError(RecsysError):
    """The registry cannot do what was asked: no champion, no earlier version, an unknown alias."""
