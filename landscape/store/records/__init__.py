"""The records of a run: their fields, which are the columns of its tables, and what each may be.

Whatever is read is checked against these types (`files.checked`) before anything is made of it.
What holds between the fields of one record is checked whenever it is made, by whoever it is.
"""
