"""A public address, looked at from outside, with the standard library; certificates are read by cryptography.

- `http` asks over HTTP and shakes hands by the system's TLS; `hello` shakes hands as far as the server's first word,
  for versions and ciphers that this machine's TLS does not know any more; `reach` tries ports; `addresses` says which
  addresses may be asked at all.
"""

from bot.adapters.edge.addresses import addresses
from bot.adapters.edge.filed import PemFile
from bot.adapters.edge.http import HttpEdge

__all__ = ["HttpEdge", "PemFile", "addresses"]
