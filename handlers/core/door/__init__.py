"""The one door: who asks, who may, who confirms, and the job that comes of it."""
