"""The shipped configuration, judged by the programs it is for."""
