"""What a reward is, one file per kind. Adding a kind is adding a file."""
