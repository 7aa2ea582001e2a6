"""The part of vcrpy that is used here; vcrpy itself has no types."""
