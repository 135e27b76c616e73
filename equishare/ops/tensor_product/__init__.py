"""The tensor product of neighbours' features with harmonics, channel by channel."""
