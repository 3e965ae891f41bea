"""How the checkpoint is made: from phantoms alone."""
