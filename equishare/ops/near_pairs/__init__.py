"""Those of some listed pairs of atoms that are near now."""
