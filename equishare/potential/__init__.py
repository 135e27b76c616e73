"""The molecular potential: graph in, energy out; forces and stress by autodiff."""
