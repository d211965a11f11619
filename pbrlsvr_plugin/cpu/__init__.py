"""veRL on a CPU: platform, FSDP2 engines and the `hf` rollout backend. See docs/cpu.md.

Chosen by `+profile=cpu`, or by the environment variable VERL_PLATFORM=cpu.
"""


def activate() -> None:
    """Make this process's veRL run on the CPU: register the platform, and patch what has no hook (`cpu.patches`).

    Importing this package does nothing; calling this twice does nothing more.
    """
    from verl.plugin.platform import PlatformRegistry

    from pbrlsvr_plugin.cpu.patches import PATCHES
    from pbrlsvr_plugin.cpu.platform import PlatformCPU
    from pbrlsvr_plugin.verl.patching import install

    if PlatformRegistry.get("cpu") is not PlatformCPU:
        PlatformRegistry.register(platform="cpu")(PlatformCPU)
    install(PATCHES)
