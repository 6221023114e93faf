"""`linkage simulate …`: play a platform, an application, a screen; judge, load, disturb."""
