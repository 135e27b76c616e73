"""The edge sum whose radial weights are a linear map of radial functions, computed where they are needed."""
