"""People's second factors, beside the backups: `records` as they are kept, `stored` how codes are judged against them,
`enrolling` how one comes to be."""

from bot.adapters.factors.enrolling import StoredSeeds
from bot.adapters.factors.stored import Codes, StoredFactors

__all__ = ["Codes", "StoredFactors", "StoredSeeds"]
