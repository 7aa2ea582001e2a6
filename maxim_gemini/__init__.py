"""Trace Google Gemini calls in Maxim."""
