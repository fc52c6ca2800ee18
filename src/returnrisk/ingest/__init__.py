"""From the files offices send to canonical tables, with every input row accounted for."""
