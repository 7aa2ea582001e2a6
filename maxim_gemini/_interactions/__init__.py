"""`client.interactions`: what it asks, what it answers, and which interactions belong together."""
