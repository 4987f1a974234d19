"""What is wrong with a file of data."""


class DataError(Exception):
    """A file that is missing, damaged or not what it should be: the message names it."""
