"""What all traced surfaces share; nothing here knows what is in a request or an answer of one of them."""
