"""The surface `client.interactions`."""
