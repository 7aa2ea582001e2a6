"""Shared by all traced surfaces; nothing here depends on the requests or answers of one of them."""
