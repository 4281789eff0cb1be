"""Networks that run, differentiate and train in the page."""
