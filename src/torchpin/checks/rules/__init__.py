"""The checks, one file a family; `checks/families.py` lists them."""
