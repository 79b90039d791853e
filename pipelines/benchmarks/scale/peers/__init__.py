"""What other libraries take for the stages that they share with this project, each in an environment of its own."""
