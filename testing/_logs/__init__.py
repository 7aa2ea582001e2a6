"""Read, check and render what Maxim received."""
