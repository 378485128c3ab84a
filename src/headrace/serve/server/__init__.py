"""From the socket to the application: processes, connections, and the quick way."""
