"""What several test folders share: the corpus of real traffic, servers, clients."""
