"""Models: one file each; `catalog` names them all."""
