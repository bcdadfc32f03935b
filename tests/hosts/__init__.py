"""Runs the README on stock Debian machines, which QEMU emulates: `make hosts`, into docs/hosts.md."""
