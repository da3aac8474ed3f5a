"""An invented county that breathes, one module a domain; every value is a function of seed, place and time.

Nothing here keeps state between moments, reads a clock or does I/O: the events of ten minutes are the same
whether they are asked for at once or second by second, today or after a restart.
"""
