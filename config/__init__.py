"""A site's configuration as it is shipped; ``dicom-node init`` copies the YAML files."""
