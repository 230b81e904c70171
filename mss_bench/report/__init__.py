"""Tables, plots and pages made from score tables; nothing here reads audio or runs a separator."""
