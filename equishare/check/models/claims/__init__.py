"""The usual claims in a few words: molecules, point clouds, images, sets, groups."""
