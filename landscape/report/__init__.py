"""What was found in run directories: a summary by level, as data, as CSV and as a page."""

from landscape.report.data.against import read_published
from landscape.report.data.known import known_of
from landscape.report.data.report import levels_csv, report
from landscape.report.page.writing import write_html

__all__ = ["known_of", "levels_csv", "read_published", "report", "write_html"]
