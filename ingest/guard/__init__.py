"""What stands between strangers and the streams: bounds, rates and turns."""
