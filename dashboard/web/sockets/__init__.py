"""The pages' WebSockets: their handshake, their bounds, and Socket.IO."""
