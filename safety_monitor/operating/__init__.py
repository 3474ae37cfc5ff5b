"""For those who run a station: first settings, the service, the log, and finding out what is wrong."""
