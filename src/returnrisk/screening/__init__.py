"""What the rules say of households: facts, categories, alerts, and the income-decline screening (减收排查)."""
