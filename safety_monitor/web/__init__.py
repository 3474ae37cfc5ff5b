"""Pages and REST API over the journal and the live station."""
