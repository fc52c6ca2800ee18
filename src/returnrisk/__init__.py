"""returnrisk: which rural households are about to fall back into poverty, found early and explained (防止返贫监测)."""
