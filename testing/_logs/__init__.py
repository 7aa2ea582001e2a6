"""What Maxim received: commits folded into typed views, checked and rendered."""
