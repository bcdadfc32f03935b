"""The HTTP and socket interface: the hub and its sockets, authentication, errors, static files, routes."""
