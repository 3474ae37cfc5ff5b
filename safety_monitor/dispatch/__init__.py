"""Deliveries on their way: what the settings ask for, how much each person is told, and a worker for each channel."""
