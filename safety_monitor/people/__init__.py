"""What people decide: about incidents, and when they disarm."""
