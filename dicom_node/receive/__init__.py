"""The door: what comes in by C-STORE, and when a study is complete."""
