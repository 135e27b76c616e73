"""Labelling: any ASE calculator, in processes that may hang, fail or die."""
