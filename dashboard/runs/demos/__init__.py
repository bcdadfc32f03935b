"""One package a demo."""
