"""Requests and limits that fit what the containers used in the last hour, with the reason."""
