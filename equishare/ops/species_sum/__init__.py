"""The sum over neighbours of radial functions times harmonics, species by species."""
