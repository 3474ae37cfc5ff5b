"""What the station learns anew: gestures that are collected, what people said of incidents, and training."""
