"""That all goes on, and who is told when it does not."""
