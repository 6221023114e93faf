"""People called out (210, 216): into a conference, or to speak with a dispatcher."""
