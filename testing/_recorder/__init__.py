"""One block of recorded or replayed traffic, and what became of each request."""
