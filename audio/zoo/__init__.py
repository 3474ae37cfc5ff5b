"""Every published approach to hearing screams, one file each, trained and run by the same commands."""
