"""`models.generate_content`, `models.generate_content_stream` and chats."""
