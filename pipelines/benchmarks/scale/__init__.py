"""What every stage costs at 10^6, 10^7 and 10^8 interactions."""
