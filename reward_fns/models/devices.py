"""Where a model's tensors are."""


def torch_device(device: str) -> str:
    """A torch device; for "auto" a GPU where this process sees one, else the CPU."""
    import torch

    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"
