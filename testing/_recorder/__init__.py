"""One block of recorded or replayed traffic, and the outcome of its requests."""
