"""Objects of any kind: how they are read, shown and changed."""
