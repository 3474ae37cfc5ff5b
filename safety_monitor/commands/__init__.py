"""The commands, a module a group; `safety_monitor.cli` puts them together."""
