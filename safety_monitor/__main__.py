"""`python -m safety_monitor` is the command `safety-monitor`."""

from safety_monitor.cli import main

main()
