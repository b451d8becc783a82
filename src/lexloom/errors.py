"""The errors that a user can mend.

Every one says what was wrong, the value, where, and what to do. The command line turns a `LexloomError` into one line and exit
status 2; anything else that escapes is a bug in lexloom.
"""


class LexloomError(Exception):
    """The parent of every error that lexloom raises on purpose."""


class ConfigError(LexloomError):
    """An option is unknown, out of range, or at odds with another."""


class InputError(LexloomError):
    """A corpus, a word list or another text input is missing, empty or not what it was said to be."""


class FormatError(LexloomError):
    """A vector file, a store or another artefact is damaged or of a kind that lexloom does not read."""


class UnknownWordError(LexloomError, KeyError):
    """A word is not among the vectors."""

    def __str__(self) -> str:
        return str(self.args[0])


class InterruptedRun(LexloomError):  # noqa: N818 (an event rather than an error)
    """The user stopped a run; what was done is saved, and the message says how to go on."""


class DivergedRun(LexloomError):  # noqa: N818
    """A training whose loss became infinite or NaN was stopped; the message says what to change."""
