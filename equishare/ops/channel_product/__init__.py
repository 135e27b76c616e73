"""The Clebsch-Gordan product of two features, channel by channel."""
