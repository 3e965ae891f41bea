"""The model side: images in, checked answers out. The only place with tensors."""
