"""Benches that need peers: what ``make bench-...`` runs."""
