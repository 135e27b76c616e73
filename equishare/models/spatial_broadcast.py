"""From vectors to pictures: each slot paints its own, and all are laid over each other."""
