"""The report of an ended run, as a file for programs and a page for people."""
