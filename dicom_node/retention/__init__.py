"""How long files are kept, and which go first when the disk is short; see docs/retention.md."""
