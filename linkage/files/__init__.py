"""The files that linkage keeps: written once, found by FileId, given out in pieces, deleted."""

from linkage.files.directory import DirectoryFiles
from linkage.files.layout import find_file

__all__ = ["DirectoryFiles", "find_file"]
