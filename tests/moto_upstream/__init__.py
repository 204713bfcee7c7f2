"""The patch that offers the DRS backend to moto, and moto's own checks of it."""
