"""Sources of single shapes: meshes, archives and ModelNet's files."""
