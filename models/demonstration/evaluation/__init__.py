"""What a checkpoint reaches, on phantoms that it has never seen, and how hard these are."""
