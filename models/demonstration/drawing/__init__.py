"""Phantoms: frontal chest radiographs that are drawn, with the truth about them. No torch."""
