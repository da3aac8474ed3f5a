"""Who looks at the screens: accounts, log-in, what each may see, and the record of what they did."""
