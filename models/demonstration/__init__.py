"""The demonstration's own data and weights: phantoms, training, evaluation, the checkpoint."""
