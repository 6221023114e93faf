"""What is played, pressed and recorded in a call (208, 209): announcements, digits, recordings."""
