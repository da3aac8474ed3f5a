"""The closed loop: what state a case is in and the indicators that follow."""
