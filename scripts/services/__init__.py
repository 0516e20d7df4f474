"""What Tailwater runs beside: each program in a folder of its own, started, stopped and found by it."""
