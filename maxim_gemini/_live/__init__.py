"""The surface `client.aio.live`."""
