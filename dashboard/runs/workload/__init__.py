"""Clients of the data service that write down all they do, and the judgement of it: for each demo that writes."""
