"""What fires: notices folded into groups, the cards of them, silences, routes, pictures."""
