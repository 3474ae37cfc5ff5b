"""What is kept of incidents and deliveries, on the disk before anything else is done with it."""
