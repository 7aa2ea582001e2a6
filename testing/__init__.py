"""Record Gemini traffic once, replay it offline, and check what Maxim would have received."""
