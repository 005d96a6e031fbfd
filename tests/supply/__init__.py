"""What the bot is made of: `make audit` asks whether a known weakness is in it, `make sbom` lists it, with licences."""
