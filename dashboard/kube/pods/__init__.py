"""Pods: how they are read, ended, and followed in their logs."""
