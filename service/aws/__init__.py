"""The one door to AWS: only this room knows the SDK, and only here calls are paced, tried again and counted."""
