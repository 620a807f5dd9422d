"""What must run inside the example image, on a machine without a GPU."""

import torch

assert float((torch.ones(2, 2) @ torch.ones(2, 2)).sum()) == 8.0
print("smoke: ok, torch", torch.__version__)
