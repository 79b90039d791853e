"""What training costs on a device."""
