"""Pictures of what Prometheus measured, drawn by a child: the only door to prometheus_api_client and matplotlib.

Rules:
1. This process loads neither library. A child (`python -m bot.adapters.plots`) does, for one picture, and ends.
2. The child is given the order on its standard input and PATH, HOME, SSL_CERT_FILE and a MPLCONFIGDIR of
   its own, nothing else of what the bot knows.
3. A child that takes longer than its time is killed. One picture at a time.
4. What the child says beside the picture is a number (see `order`); its words reach nobody.
"""

from bot.adapters.plots.plots import Plots

__all__ = ["Plots"]
