"""The HTTP and socket interface: the hub, the pages' sockets, authentication, errors, static files, routes."""
