"""What comes from outside, spoiled in every way: from its bytes to the patch that a page gets.

`make check` tries each border with Hypothesis' usual number of examples, `make soak` with a hundred thousand.
"""
