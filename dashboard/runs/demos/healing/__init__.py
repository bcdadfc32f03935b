"""The self-healing demo: pods of the service are deleted while it is used."""
