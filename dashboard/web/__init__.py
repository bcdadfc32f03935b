"""What a browser or a script reaches: the hub and its sockets, authentication, errors, static files."""
