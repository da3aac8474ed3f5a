"""The soak: a wall lives through a month's updates in hours, and what it takes of the machine must stay flat."""
